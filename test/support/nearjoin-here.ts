import { expect } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { createLog } from '../../src/ops/log.ts';
import { type RunningServer, startServer } from '../../src/serve.ts';
import { answerOf, type HttpAnswer } from './http-answer.ts';
import { createDatabase, type TestDatabase } from './postgres.ts';

type Env = Readonly<Record<string, string>>;
type RequestHeaders = Readonly<Record<string, string>>;

/** A server within the test's process, which needs no build, over a metadata database of its own. */
export class NearjoinHere {
  readonly #admin: RequestHeaders;
  readonly #server: RunningServer;
  readonly #meta: TestDatabase;
  readonly #isFirst: boolean;

  private constructor(server: RunningServer, meta: TestDatabase, env: Env, isFirst: boolean) {
    const secret = env['NEARJOIN_ADMIN_SECRET'];
    this.#admin = secret === undefined ? {} : { 'x-hasura-admin-secret': secret };
    this.#server = server;
    this.#meta = meta;
    this.#isFirst = isFirst;
  }

  /** Starts one; with `NEARJOIN_ROLES: 'api'` nothing is cached, and every remote row comes live. */
  static async start(env: Env = {}): Promise<NearjoinHere> {
    const meta = await createDatabase('source');
    return new NearjoinHere(await serve(meta, env), meta, env, true);
  }

  /** Another node over the same metadata database, to be stopped before this one. */
  async another(env: Env = {}): Promise<NearjoinHere> {
    return new NearjoinHere(await serve(this.#meta, env), this.#meta, env, false);
  }

  get url(): string {
    return this.#server.url;
  }

  async get(path: string, headers: RequestHeaders = {}): Promise<HttpAnswer> {
    return answerOf(await fetch(this.url + path, { headers }));
  }

  async post(path: string, body: unknown, headers: RequestHeaders = {}): Promise<HttpAnswer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return answerOf(await fetch(this.url + path, { method: 'POST', headers, body: text }));
  }

  /** As an administrator, unless other headers say otherwise. */
  graphql(query: string, headers: RequestHeaders = this.#admin, more: object = {}): Promise<HttpAnswer> {
    return this.post('/v1/graphql', { query, ...more }, headers);
  }

  /** An administrator's command, which must succeed. */
  async command(type: string, args: unknown): Promise<void> {
    const { status, text } = await this.post('/v1/metadata', { type, args }, this.#admin);
    const success = expect.stringMatching(/"message":"success"|"is_consistent":true/);
    expect({ status, text }).toEqual({ status: 200, text: success });
  }

  /** Registers databases under these names. */
  async addSources(urls: Readonly<Record<string, { readonly url: string }>>): Promise<void> {
    for (const [name, { url }] of Object.entries(urls))
      await this.command('pg_add_source', {
        name,
        configuration: { connection_info: { database_url: url } },
      });
  }

  async stop(): Promise<void> {
    await this.#server.stop();
    if (this.#isFirst) await this.#meta.drop();
  }
}

function serve(meta: TestDatabase, env: Env): Promise<RunningServer> {
  const own = {
    NEARJOIN_METADATA_DATABASE_URL: meta.url,
    NEARJOIN_PORT: '0',
    // A test's process that stands still for a moment is no client that says nothing.
    NEARJOIN_WEBSOCKET_CONNECTION_INIT_TIMEOUT: '60',
  };
  return startServer(readConfig({ ...own, ...env }), createLog('silent'));
}
