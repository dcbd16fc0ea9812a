import type { HttpAnswer } from '../support/http-answer.ts';
import { eventually, type Nearjoin, startNearjoin } from '../support/nearjoin.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import type { CaseStep } from '../hasura/cases.ts';

/** Metadata calls, or what makes them from the first database. */
type Calls = readonly unknown[] | ((first: TestDatabase) => Promise<readonly unknown[]>);

/** A running server on which one group of cases after another is set up. */
export interface Stage {
  readonly nearjoin: Nearjoin;
  /** Replaces databases and metadata; the databases by source name. */
  set(databases: Readonly<Record<string, readonly string[]>>, sources: readonly string[], calls: Calls): Promise<void>;
  /** Waits until every cached table is ready, or said to be impossible. */
  settled(): Promise<void>;
  sql(source: string, statement: string): Promise<void>;
  ask(step: CaseStep, headers?: Record<string, string>): Promise<HttpAnswer>;
  close(): Promise<void>;
}

const STRINGIFY = 'HASURA_GRAPHQL_STRINGIFY_NUMERIC_TYPES';

/** Two servers that differ in the one setting that cases assume. */
export class Stages {
  readonly #byStringify: Readonly<Record<string, Stage>>;

  private constructor(byStringify: Readonly<Record<string, Stage>>) {
    this.#byStringify = byStringify;
  }

  static async open(): Promise<Stages> {
    const [strings, numbers] = await Promise.all(['true', 'false'].map((value) => openStage({ [STRINGIFY]: value })));
    if (strings === undefined || numbers === undefined) throw new Error('no stage');
    return new Stages({ true: strings, false: numbers });
  }

  /** The server for a set-up's settings. */
  for(env: Readonly<Record<string, string>>): Stage {
    const stage = this.#byStringify[env[STRINGIFY] ?? 'false'];
    if (stage === undefined) throw new Error('no such stage');
    return stage;
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#byStringify).map((stage) => stage.close()));
  }
}

/** Starts a server with an empty metadata database of its own. */
async function openStage(env: Record<string, string>): Promise<Stage> {
  const meta = await createDatabase('source');
  const nearjoin = await startNearjoin({ NEARJOIN_METADATA_DATABASE_URL: meta.url, ...env });
  let databases: Record<string, TestDatabase> = {};

  const clear = async (): Promise<void> => {
    await succeed(nearjoin, { type: 'replace_metadata', args: { version: 3, sources: [] } });
    for (const database of Object.values(databases)) await database.drop();
    databases = {};
  };
  const withUrls = (body: unknown): unknown =>
    JSON.parse(JSON.stringify(body).replaceAll(/@@DB:(\w+)@@/g, (_, name: string) => databases[name]?.url ?? ''));

  return {
    nearjoin,
    async set(wanted, sources, calls) {
      await clear();
      for (const [name, statements] of Object.entries(wanted)) {
        databases[name] = await createDatabase(name === 'other' || name === 'target' ? 'target' : 'source', statements);
      }
      for (const name of sources) await succeed(nearjoin, addSource(name, databases[name]?.url ?? ''));
      const [first] = Object.values(databases);
      if (first === undefined) throw new Error('no database');
      const made = typeof calls === 'function' ? await calls(first) : calls;
      await succeed(nearjoin, { type: 'bulk', args: withUrls(made) });
    },
    async settled() {
      await eventually(async () => {
        const { body, text } = await nearjoin.get('/v1/replication');
        const feeds = body.feeds as { state: string; tables: { state: string }[] }[];
        const tables = feeds.flatMap((feed) => feed.tables);
        const isSettled =
          feeds.every((feed) => feed.state === 'streaming') && tables.every(({ state }) => state === 'ready' || state === 'failed');
        if (!isSettled) throw new Error(text);
        return true;
      });
    },
    async sql(source, statement) {
      await databases[source]?.query(statement);
    },
    ask(step, headers = {}) {
      return nearjoin.post(step.path, withUrls(step.request), { ...step.headers, ...headers });
    },
    async close() {
      await nearjoin.stop();
      for (const database of [meta, ...Object.values(databases)]) await database.drop();
    },
  };
}

function addSource(name: string, url: string): unknown {
  return { type: 'pg_add_source', args: { name, configuration: { connection_info: { database_url: url } } } };
}

async function succeed(nearjoin: Nearjoin, body: unknown): Promise<void> {
  const answer = await nearjoin.post('/v1/metadata', body);
  if (answer.status !== 200) throw new Error(`set-up refused: ${answer.text}`);
}
