import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { poll } from '../support/poll.ts';
import { makePlayground, type Playground } from '../support/processes.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = join(ROOT, 'dist', 'src', 'main.js');
const QUERY = '{ order(where: {id: {_eq: 11}}) { id user_id user { id name country } } }';

/** A demo under way; `output` is all it has printed. */
interface Demo {
  readonly child: ChildProcess;
  /** When it has ended, and so has its output. */
  readonly closed: Promise<unknown>;
  readonly output: () => string;
}

let playground: Playground;
let running: ChildProcess | null = null;

beforeEach(() => {
  playground = makePlayground();
});

afterEach(async () => {
  if (running !== null && running.exitCode === null && running.signalCode === null) running.kill('SIGKILL');
  running = null;
  await poll('the demo to be gone', () => playground.leftovers().length === 0);
  playground.remove();
});

function start(command: string, args: readonly string[]): Demo {
  if (!existsSync(MAIN)) throw new Error('dist is missing: run npm test, which builds first');
  const { NODE_ENV: _, VITEST: __, ...env } = process.env;
  const child = spawn(command, args, {
    cwd: ROOT,
    // Of newer Nodes npm keeps what it compiles in TMPDIR, where only what the demo leaves is looked for.
    env: { ...env, TMPDIR: playground.path, NODE_DISABLE_COMPILE_CACHE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running = child;
  const printed: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => printed.push(text));
  }
  return { child, closed: once(child, 'close'), output: () => printed.join('') };
}

function startDemo(...args: readonly string[]): Demo {
  return start(process.execPath, [MAIN, 'demo', '--rows', '300', ...args]);
}

async function urlOf({ child, output }: Demo): Promise<string> {
  await poll('the demo to serve', () => {
    if (child.exitCode !== null) throw new Error(`the demo ended with ${child.exitCode}:\n${output()}`);
    return output().includes('Ctrl-C stops everything');
  });
  const url = /serves on (http:\/\/\S+)/.exec(output())?.[1];
  if (url === undefined) throw new Error(`no URL in:\n${output()}`);
  return url;
}

async function answerOf(url: string): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}/v1/graphql`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ query: QUERY }),
  });
  return answer.json();
}

async function endOf({ child, closed }: Demo): Promise<number | null> {
  await closed;
  return child.exitCode;
}

const ORDER_11 = {
  data: { order: [{ id: 11, user_id: 50, user: { id: 50, name: 'Chen Gupta', country: 'BR' } }] },
};

test('the demo answers across both databases, its watermark moves, and Ctrl-C leaves nothing', async () => {
  const demo = startDemo('--port', '0');
  const url = await urlOf(demo);
  const answer = await answerOf(url);
  // The console, with the editor that the build has put beside it.
  expect(demo.output()).toContain(`${url}/console`);
  for (const path of ['', '/assets/app.js', '/assets/vendor/graphiql.js', '/assets/vendor/react-dom.js'])
    expect((await fetch(`${url}/console${path}`)).status).toBe(200);
  const marks = (): Set<string> => new Set(demo.output().match(/watermark [0-9A-F]+\/[0-9A-F]+/g) ?? []);
  await poll('the watermark to move', () => marks().size >= 2);
  demo.child.kill('SIGINT');
  const code = await endOf(demo);
  expect({ answer, code, left: playground.leftovers() }).toEqual({ answer: ORDER_11, code: 0, left: [] });
});

test('npm killed with SIGKILL takes the demo with it', async () => {
  const demo = start('npm', ['start', '--silent', '--', '--port', '0', '--rows', '100']);
  const url = await urlOf(demo);
  // What is built anew changes under the tests that run beside this one.
  expect(demo.output()).not.toContain('building');
  demo.child.kill('SIGKILL');
  await endOf(demo);
  await poll('everything to be gone', () => playground.leftovers().length === 0);
  await expect(fetch(url)).rejects.toThrow('fetch failed');
});

test('a SIGTERM while the servers are starting ends the demo without a trace', async () => {
  const demo = startDemo('--port', '0');
  await poll('a server folder', () => playground.leftovers().some((each) => each.startsWith('nearjoin-pg-')));
  demo.child.kill('SIGTERM');
  expect([await endOf(demo), playground.leftovers()]).toEqual([0, []]);
});

test('a data directory keeps rows between runs', async () => {
  const directory = join(playground.path, 'kept');
  const first = startDemo('--port', '0', '--data-dir', directory);
  await urlOf(first);
  first.child.kill('SIGINT');
  await endOf(first);
  const second = startDemo('--port', '0', '--data-dir', directory);
  const answer = await answerOf(await urlOf(second));
  second.child.kill('SIGINT');
  await endOf(second);
  expect(answer).toEqual(ORDER_11);
  expect(second.output()).toContain('kept from the last run: 300');
  playground.remove();
  playground = makePlayground();
});

test('a port that is taken is said, with what to do', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const address = holder.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const demo = startDemo('--port', String(port));
  const code = await endOf(demo);
  holder.close();
  expect({ code, output: demo.output() }).toEqual({
    code: 1,
    output: `nearjoin demo: port ${port} is taken: choose another with --port, or leave it out\n`,
  });
});

test.each([
  [['--rows', 'many'], 'nearjoin demo: --rows: expected a whole number from 1 to 10000000\n'],
  [['--port', '70000'], 'nearjoin demo: --port: expected a whole number from 0 to 65535\n'],
])('%s is refused before anything starts', async (args, message) => {
  const demo = start(process.execPath, [MAIN, 'demo', ...args]);
  expect([await endOf(demo), demo.output(), playground.leftovers()]).toEqual([1, message, []]);
});
