import type { HttpAnswer } from '../support/http-answer.ts';
import { eventually, type Nearjoin } from '../support/nearjoin.ts';
import { insertPosition, type TestDatabase } from '../support/postgres.ts';
import { quoted, relation } from './database-of.ts';
import { makeDatabases } from './databases.ts';
import type { Query } from './generate-query.ts';
import type { Write } from './generate-write.ts';
import { toRequest } from './graphql-of.ts';
import type { Answers } from './lane-stage.ts';
import { Listener, type Listening } from './listener.ts';
import {
  customizationOf,
  dealtMetadata,
  functionsMetadata,
  inheritedRoles,
  queriesMetadata,
  sessionHeaders,
} from './metadata-of.ts';
import type { SchemaChange } from './schema-detours.ts';
import { toSql } from './sql-of.ts';
import type { World } from './world.ts';

/** Why what a world has cannot be cached. */
const NEVER_CACHED = /a view|is generated and not replicated/;

interface Reported {
  readonly state: string;
  readonly reason?: string;
}

/** A world behind a running server, replicated, and once more in one database. */
export class ProcessStage {
  readonly world: World;
  readonly written: Write[] = [];
  /** Answers that came from caches alone. */
  hits = 0;
  readonly #nearjoin: Nearjoin;
  readonly #databases: Readonly<Record<string, TestDatabase>>;
  readonly #all: TestDatabase;

  private constructor(
    nearjoin: Nearjoin,
    world: World,
    databases: Readonly<Record<string, TestDatabase>>,
    all: TestDatabase,
  ) {
    this.#nearjoin = nearjoin;
    this.world = world;
    this.#databases = databases;
    this.#all = all;
  }

  static async open(nearjoin: Nearjoin, world: World): Promise<ProcessStage> {
    const { all, databases } = await makeDatabases(world);
    const stage = new ProcessStage(nearjoin, world, databases, all);
    await stage.#register();
    return stage;
  }

  async close(): Promise<void> {
    await this.#nearjoin.metadata('replace_metadata', { version: 3, sources: [] });
    await Promise.all([this.#all, ...Object.values(this.#databases)].map((database) => database.drop()));
  }

  /** Commits a transaction where it belongs, and where everything is. */
  async write(write: Write): Promise<void> {
    const transaction = ['begin', ...write.statements, 'commit'].join(';\n');
    await this.#database(write.database).query(transaction);
    await this.#all.query(transaction);
    this.written.push(write);
  }

  /** Changes a database's schema, and rows where everything is. */
  async change(database: string, { statements, truth }: SchemaChange): Promise<void> {
    await this.#database(database).query(statements.join(';\n'));
    if (truth !== null) await this.#all.query(truth.join(';\n'));
    this.written.push({ database, statements });
  }

  /** Asks for everything written so far, from the cache and live, and in plain SQL. */
  async ask(query: Query): Promise<Answers> {
    const cached = await this.#graphql(query, {
      'x-nearjoin-token': await this.#tokens(),
      'x-nearjoin-fallback': 'wait',
    });
    const status = cached.headers.get('cache-status') ?? '';
    if (status.includes(';hit') && !status.includes('fwd=')) this.hits += 1;
    const live = dataOf(await this.#graphql(query, { 'cache-control': 'no-cache' }));
    return { cached: dataOf(cached), live, sql: await this.sql(query) };
  }

  /** The answer to somebody who wishes for nothing. */
  async now(query: Query): Promise<string> {
    return dataOf(await this.#graphql(query, {}));
  }

  /** The answer with rows as they are now in every database. */
  async live(query: Query, session?: World['session']): Promise<string> {
    return dataOf(await this.#graphql(query, { 'cache-control': 'no-cache', ...session }));
  }

  /** Sends bodies for a role, all of which are answered from the same state, live or from the caches; gives their texts. */
  async sender(role: string, isLive: boolean): Promise<(body: object) => Promise<string>> {
    const wish: Record<string, string> = isLive
      ? { 'cache-control': 'no-cache' }
      : { 'x-nearjoin-token': await this.#tokens(), 'x-nearjoin-fallback': 'wait' };
    const headers = { ...sessionHeaders(this.world, role), ...wish };
    return async (body) => (await this.#nearjoin.post('/v1/graphql', body, headers)).text;
  }

  /** The answer of the database that holds everything. */
  async sql(query: Query): Promise<string> {
    try {
      const { rows } = await this.#all.query<{ answer: string }>(toSql(this.world, query));
      return String(rows[0]?.answer);
    } catch (error) {
      return `error: ${String(error)}`;
    }
  }

  /** Follows a query as a subscription. */
  listen(query: Query, { protocol, headers }: Listening): Promise<Listener> {
    const request = toRequest(this.world, query, { operation: 'subscription' });
    const session = sessionHeaders(this.world, query.role);
    return Listener.open(this.#nearjoin.url, request, { protocol, headers: { ...session, ...headers } });
  }

  /** Has something done to the feeds of a database, if it has any. */
  async control(target: string, action: 'pause' | 'resume' | 'resync'): Promise<void> {
    await this.#nearjoin.post(`/v1/replication/${target}/${action}`, {});
  }

  /** Plans everything anew. */
  async reload(): Promise<void> {
    await this.#nearjoin.metadata('reload_metadata', {});
  }

  /** What of the metadata does not hold in the databases. */
  async inconsistencies(): Promise<string> {
    const { body } = await this.#nearjoin.metadata('get_inconsistent_metadata', {});
    const found: readonly { readonly type: string }[] = body.inconsistent_objects;
    return JSON.stringify(found.filter(({ type }) => type !== 'warning'));
  }

  /** Waits until every cached table holds what its target holds. */
  async converged(): Promise<void> {
    await eventually(async () => {
      for (const difference of await this.#differences()) throw new Error(difference);
      return true;
    });
  }

  async #register(): Promise<void> {
    const sources = Object.entries(dealtMetadata(this.world)).map(([name, tables]) => ({
      name,
      kind: 'postgres',
      configuration: { connection_info: { database_url: this.#database(name).url } },
      tables,
      functions: functionsMetadata(this.world, name),
      ...queriesMetadata(this.world, name),
      customization: customizationOf(this.world, name),
    }));
    const replaced = await this.#nearjoin.metadata('replace_metadata', {
      version: 3,
      sources,
      inherited_roles: inheritedRoles(this.world),
    });
    if (replaced.body.is_consistent !== true) throw new Error(replaced.text);
    await this.settled();
  }

  /** Until every table is cached, or cannot be; for which reasons is given. */
  async settled(obstacle = NEVER_CACHED): Promise<void> {
    await eventually(async () => {
      const { body, text } = await this.#nearjoin.get('/v1/replication');
      const tables: readonly Reported[] = body.feeds.flatMap(({ tables }: { tables: object[] }) => tables);
      const isDone = ({ state, reason }: Reported): boolean =>
        state === 'ready' || (state === 'failed' && obstacle.test(reason ?? ''));
      if (tables.every(isDone)) return true;
      throw new Error(`not ready: ${text}`);
    });
  }

  #graphql(query: Query, headers: Record<string, string>): Promise<HttpAnswer> {
    const { query: text, variables } = toRequest(this.world, query);
    return this.#nearjoin.graphql(text, {
      variables: { ...variables },
      headers: { ...sessionHeaders(this.world, query.role), ...headers },
    });
  }

  async #tokens(): Promise<string> {
    const tokens = Object.entries(this.#databases).map(
      async ([name, database]) => `${name}:${await insertPosition(database)}`,
    );
    return (await Promise.all(tokens)).join(',');
  }

  /** Cached tables that differ from their targets. */
  async #differences(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const [source, database] of Object.entries(this.#databases)) {
      const { rows: there } = await database.query(
        `select to_regclass('nearjoin.cache_table') is not null as is_there`,
      );
      if (there[0]?.['is_there'] !== true) continue;
      const { rows } = await database.query<Cached>(
        "select target, schema_name, table_name, relation, columns from nearjoin.cache_table where state <> 'failed'",
      );
      for (const cached of rows) {
        const cells = cached.columns.map(({ name }) => `${quoted(name)}::text`).join(', ');
        const copy = await contentOf(database, `nearjoin.${quoted(cached.relation)}`, cells);
        const ref = relation({ schema: cached.schema_name, name: cached.table_name });
        const original = await contentOf(this.#database(cached.target), ref, cells);
        if (copy !== original)
          found.push(`${source} holds of ${cached.target}.${ref}:\n${copy}\nwhich is there:\n${original}`);
      }
    }
    return found;
  }

  #database(name: string): TestDatabase {
    const found = this.#databases[name];
    if (found === undefined) throw new Error(`no database ${name}`);
    return found;
  }
}

interface Cached {
  readonly target: string;
  readonly schema_name: string;
  readonly table_name: string;
  readonly relation: string;
  readonly columns: readonly { readonly name: string }[];
}

async function contentOf(database: TestDatabase, from: string, cells: string): Promise<string> {
  const { rows } = await database.query<{ content: string }>(
    `select coalesce(json_agg(r order by r), '[]')::text as content from (select array[${cells}] as r from ${from}) s`,
  );
  return String(rows[0]?.content);
}

/** The text of `data` as it was sent, or the error. */
function dataOf({ text, body }: HttpAnswer): string {
  return body?.errors === undefined ? text.slice('{"data":'.length, -1) : `error: ${text}`;
}
