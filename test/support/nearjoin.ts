import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { answerOf, type HttpAnswer } from './http-answer.ts';
import { PATIENCE_MS, restAfter } from './poll.ts';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));

export interface GraphqlOptions {
  readonly variables?: Record<string, unknown>;
  readonly operationName?: string;
  readonly headers?: Record<string, string>;
}

/** A running `nearjoin serve` process. */
export interface Nearjoin {
  readonly url: string;
  readonly child: ChildProcess;
  /** Everything the process has logged, one line each. */
  readonly log: readonly string[];
  graphql(query: string, options?: GraphqlOptions): Promise<HttpAnswer>;
  metadata(type: string, args: unknown): Promise<HttpAnswer>;
  get(path: string): Promise<HttpAnswer>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<HttpAnswer>;
  /** Waits until every cached table of every feed is ready, but for those that never can be. */
  untilReady(neverCached?: (table: string) => boolean): Promise<void>;
  /** Asks until the answer comes from caches alone: an API node hears of a ready table a moment after it is. */
  untilHit(query: string): Promise<HttpAnswer>;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** Starts the built server as its own process and waits until it says that it is ready. */
export async function startNearjoin(env: Record<string, string>): Promise<Nearjoin> {
  const { child, log } = spawnNearjoin(env);
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', () => {
      const ready = log.find((line) => line.includes('"msg":"ready"'));
      if (ready !== undefined) resolve(String(JSON.parse(ready).url));
    });
    child.once('exit', (code) => reject(new Error(`nearjoin ended with ${code}:\n${log.join('\n')}`)));
  });
  return new RunningNearjoin(url, child, log);
}

/** Starts the built server as its own process; its log grows while it runs. */
export function spawnNearjoin(env: Record<string, string>): {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly log: readonly string[];
} {
  if (!existsSync(MAIN)) throw new Error('dist is missing: run npm test, which builds first');
  const child = spawn(process.execPath, [MAIN, 'serve'], {
    env: { PATH: process.env['PATH'] ?? '', NEARJOIN_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: string[] = [];
  for (const output of [child.stdout, child.stderr])
    createInterface({ input: output }).on('line', (line) => log.push(line));
  return { child, log };
}

/** Polls until the check answers something other than undefined; fails with the last error after the time. */
export async function eventually<T>(check: () => Promise<T | undefined>, timeMs = PATIENCE_MS): Promise<T> {
  const begun = performance.now();
  let last: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    const waited = performance.now() - begun;
    if (waited > timeMs) throw new Error('state not reached in time', { cause: last });
    await restAfter(waited);
  }
}

class RunningNearjoin implements Nearjoin {
  readonly url: string;
  readonly child: ChildProcess;
  readonly log: readonly string[];

  constructor(url: string, child: ChildProcess, log: readonly string[]) {
    this.url = url;
    this.child = child;
    this.log = log;
  }

  graphql(query: string, options: GraphqlOptions = {}): Promise<HttpAnswer> {
    const { variables, operationName } = options;
    return this.post('/v1/graphql', { query, variables, operationName }, options.headers);
  }

  metadata(type: string, args: unknown): Promise<HttpAnswer> {
    return this.post('/v1/metadata', { type, args });
  }

  async get(path: string): Promise<HttpAnswer> {
    return answerOf(await fetch(this.url + path));
  }

  async post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<HttpAnswer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const request = {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: text,
    };
    try {
      return await answerOf(await fetch(this.url + path, request));
    } catch (error) {
      throw new Error(`${path} is not answered (exit ${this.child.exitCode}):\n${this.#recentLog()}`, {
        cause: error,
      });
    }
  }

  async untilReady(neverCached: (table: string) => boolean = () => false): Promise<void> {
    await eventually(async () => {
      const { body } = await this.get('/v1/replication');
      const tables = body.feeds.flatMap((feed: { tables: { state: string }[] }) => feed.tables);
      const isSettled = ({ name, state }: { name: string; state: string }): boolean =>
        state === (neverCached(name) ? 'failed' : 'ready');
      const done = tables.length > 0 && tables.every(isSettled);
      if (!done) throw new Error(`not ready: ${JSON.stringify(body)}\n${this.#recentLog()}`);
      return done;
    });
  }

  untilHit(query: string): Promise<HttpAnswer> {
    return eventually(async () => {
      const answer = await this.graphql(query);
      const status = answer.headers.get('cache-status') ?? '';
      return status.includes(';hit') && !status.includes('fwd=') ? answer : undefined;
    });
  }

  #recentLog(): string {
    return this.log
      .filter((line) => !line.includes('"type":"http-log"'))
      .slice(-20)
      .join('\n');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill(signal);
    await ended;
  }
}
