import type { Catalog } from '../../src/catalog/catalog.ts';
import { parseLsn } from '../../src/core/position/lsn.ts';
import type { FreshnessRequest } from '../../src/read/freshness.ts';
import { TestLane } from '../support/lane.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { insertRows, quoted, relation } from './database-of.ts';
import { makeDatabases } from './databases.ts';
import type { Query, Rows } from './generate-query.ts';
import { toRequest } from './graphql-of.ts';
import { dealtMetadata, hasOwnTypes, moreMetadata, tablesMetadata } from './metadata-of.ts';
import { toSql } from './sql-of.ts';
import { databasesOf, type TableModel, type World, writableOf } from './world.ts';

/** What one way of asking gave: a text, or an error. */
export interface Answers {
  readonly [way: string]: string;
}

/** From the cache, whatever its age. */
const STALE = { fallback: 'stale', maxStalenessMs: 0 } as const;

/** A world on real databases: dealt out, and once more all in one. */
export class LaneStage {
  readonly world: World;
  readonly databases: Readonly<Record<string, TestDatabase>>;
  readonly #all: TestDatabase;
  readonly #lanes: { readonly cached: TestLane; readonly cramped: TestLane; readonly one: TestLane };

  private constructor(
    world: World,
    databases: Readonly<Record<string, TestDatabase>>,
    all: TestDatabase,
    lanes: { readonly cached: TestLane; readonly cramped: TestLane; readonly one: TestLane },
  ) {
    this.world = world;
    this.databases = databases;
    this.#all = all;
    this.#lanes = lanes;
  }

  static async open(world: World): Promise<LaneStage> {
    const { all, databases } = await makeDatabases(world);
    const dealt = dealtMetadata(world);
    const whole = { all: tablesMetadata(world, world.tables, true) };
    const more = moreMetadata(world, databasesOf(world));
    const settings = { stringifyNumbers: world.stringify };
    const [cached, cramped, one] = await Promise.all([
      TestLane.open(databases, dealt, settings, more),
      TestLane.open(databases, dealt, { ...settings, ...world.cramped }, more),
      TestLane.open({ all }, whole, settings, moreMetadata(world, ['all'])),
    ]);
    await cached.fillCaches();
    return new LaneStage(world, databases, all, { cached, cramped, one });
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#lanes).map((lane) => lane.close()));
    await Promise.all([this.#all, ...Object.values(this.databases)].map((database) => database.drop()));
  }

  get catalog(): Catalog {
    return this.#lanes.cached.catalog;
  }

  /** The same databases under other metadata. */
  reopen(world: World): Promise<TestLane> {
    return TestLane.open(this.databases, dealtMetadata(world), {}, moreMetadata(world, databasesOf(world)));
  }

  /**
   * Runs a statement on a table wherever it is. Given a role, only if what the role sees of the table stays the same;
   * which rows it touches is decided where all tables are together.
   */
  async change(table: TableModel, sql: string, role: string | null): Promise<boolean> {
    const [seen, rows] = [`sees_${role}.v${this.world.tables.indexOf(table)}`, relation(table)];
    const state = async (from: string): Promise<string> => {
      const { rows: found } = await this.#all.query<{ state: string }>(
        `select coalesce(json_agg(v::text order by v::text), '[]')::text as state from ${from} v`,
      );
      return String(found[0]?.state);
    };
    const before = { seen: role === null ? '' : await state(seen), rows: await state(rows) };
    const cells = writableOf(table)
      .map(({ name }) => quoted(name))
      .join(', ');
    const copy = `create table kept as select ${cells} from ${rows}`;
    await this.#all.query(`drop table if exists kept; ${copy}; ${sql}`);
    if (role !== null && before.seen !== (await state(seen))) {
      await this.#all.query(`truncate ${rows}; insert into ${rows} (${cells}) select ${cells} from kept`);
      return false;
    }
    await this.#copy(table);
    return before.rows !== (await state(rows));
  }

  /** Brings a table's rows to the database it is dealt to. */
  async #copy(table: TableModel): Promise<void> {
    const list = table.columns.map(({ name }) => `t.${quoted(name)}::text`).join(', ');
    const { rows } = await this.#all.query<{ row: (string | null)[] }>(
      `select array[${list}] as row from ${relation(table)} t`,
    );
    const database = this.databases[table.database];
    await database?.query(`truncate ${relation(table)}`);
    if (rows.length > 0)
      await database?.query(
        insertRows(
          table,
          rows.map(({ row }) => row),
        ),
      );
  }

  /** Copies everything into the caches again. */
  async refill(): Promise<void> {
    await this.#lanes.cached.fillCaches();
  }

  /** Everything a role is told about a query: answers or errors, routes, statements. */
  async tell(query: Query): Promise<object> {
    const { query: text, variables } = toRequest(this.world, query);
    const { cached, cramped } = this.#lanes;
    const session = query.role === 'admin' ? {} : this.world.session;
    const told: Record<string, unknown> = {};
    const ways = { cached: [cached, false], live: [cached, true], cramped: [cramped, true] } as const;
    for (const [way, [lane, noCache]] of Object.entries(ways)) {
      const freshness: Partial<FreshnessRequest> = noCache ? { noCache } : { fallback: 'stale' };
      const asking = { variables, role: query.role, session, freshness };
      told[way] = await lane
        .query(text, asking)
        .then(
          (answer) => [
            answer.text,
            answer.targets.map(({ target, route, reason }) => [target, route, reason]),
          ],
          toldOf,
        );
      const explained = lane
        .explain(text, asking)
        .then((roots) =>
          roots.map(({ sql, targets }) => [sql, targets.map(({ target, route }) => [target, route])]),
        );
      told[`${way} explained`] = await explained.catch((error: unknown) => String(error));
    }
    return told;
  }

  /** What a role is answered to a text, from the caches; with what is for administrators where it is an error. */
  async say(text: string, role: string): Promise<string> {
    const session = role === 'admin' ? {} : this.world.session;
    const answer = this.#lanes.cached.query(text, { role, session, freshness: STALE });
    return answer.then(
      (told) => told.text,
      (error: unknown) => `error: ${String(error)} ${JSON.stringify(error)}`,
    );
  }

  /** Asks in every way. */
  async ask(query: Query): Promise<Answers> {
    const { cached, cramped, one } = this.#lanes;
    const live = { noCache: true };
    return {
      cached: await this.#lane(cached, query, STALE),
      mixed: await this.#lane(cached, query, this.#ofOneLater()),
      live: await this.#lane(cached, query, live),
      cramped: await this.#lane(cramped, query, live),
      one: await this.#lane(one, query, {}),
      sql: await this.#sql(query),
    };
  }

  /**
   * What was answered otherwise to many users at once than to each alone; null when nothing was. Equal statements then share
   * executions, from the second time on lists among them too.
   */
  async crowded(queries: readonly Query[]): Promise<string | null> {
    const { session, otherSession } = this.world;
    const asks = queries.flatMap((query) =>
      [session, otherSession].flatMap((by) =>
        [STALE, STALE, { noCache: true }].map((freshness) => ({ query, freshness, by })),
      ),
    );
    const ask = ({ query, freshness, by }: (typeof asks)[number]): Promise<string> =>
      this.#lane(this.#lanes.cached, query, freshness, by);
    const alone: string[] = [];
    for (const one of asks) alone.push(await ask(one));
    for (let turn = 0; turn < 2; turn += 1) {
      const together = await Promise.all(asks.map(ask));
      const wrong = together.findIndex((answer, i) => !isSame(answer, alone[i] ?? ''));
      if (wrong !== -1) return `alone: ${alone[wrong]}\nat once: ${together[wrong]}`;
    }
    return null;
  }

  /** One database's rows have to be younger than its copies are: only its are read live. */
  #ofOneLater(): Partial<FreshnessRequest> {
    const [, later = ''] = databasesOf(this.world);
    const position = parseLsn('0/2');
    return { maxStalenessMs: 3_600_000, tokens: new Map([[later, { position, history: null }]]) };
  }

  async #lane(
    lane: TestLane,
    query: Query,
    freshness: object,
    by: World['session'] = this.world.session,
  ): Promise<string> {
    const { query: text, variables } = toRequest(this.world, query, { inOne: lane === this.#lanes.one });
    const session = query.role === 'admin' ? {} : by;
    const answer = lane.query(text, { variables, role: query.role, session, freshness });
    return answer.then((told) => told.text, toldOf);
  }

  async #sql(query: Query): Promise<string> {
    try {
      const { rows } = await this.#all.query<{ answer: string }>(toSql(this.world, query));
      return String(rows[0]?.answer);
    } catch (error) {
      return `error: ${String(error)}`;
    }
  }
}

/** What an error tells a client; what is `internal` is for administrators. */
function toldOf(error: unknown): string {
  return `error: ${String(error)} ${JSON.stringify(error, (key, value) => (key === 'internal' ? undefined : value))}`;
}

/** Whether two answers say the same. Of several things that are wrong with a request either may be told. */
function isSame(one: string, other: string): boolean {
  return one === other || (isError(one) && isError(other));
}

/**
 * The same answers with errors that are all alike: each database has its own order of looking at what is wrong. What may be
 * known by one route only stays as it is.
 */
function withoutWords(answers: Answers): Answers {
  const told = (text: string): string => (isError(text) && !isUnknown(text) ? 'error:' : text);
  return Object.fromEntries(Object.entries(answers).map(([way, text]) => [way, told(text)]));
}

/** What a source cannot compare for want of an extension, and the target cannot decide alone, is refused by every route. */
const UNKNOWN_HERE = 'create the extension of';

function isUnknown(text: string): boolean {
  return text.includes(UNKNOWN_HERE);
}

/** Why the answers do not agree; null when they do. */
export function disagreement(world: World, query: Query, given: Answers): string | null {
  const answers = query.hostile ? withoutWords(given) : given;
  const { cached = '', sql = '' } = answers;
  const known = ROUTES.find(([route]) => isUnknown(cached) !== isUnknown(answers[route] ?? cached));
  if (known !== undefined) return known[1];
  const order = orderOf(query, world);
  if (isOpen(world, order, cached)) return null;
  const unlike = ROUTES.find(([route]) => (answers[route] ?? cached) !== cached);
  if (unlike !== undefined) return unlike[1];
  if (isError(cached)) return notRefused(query, given);
  // What Postgres would refuse may stand beside what nothing satisfies, and then is not looked at.
  return query.hostile && isError(sql) ? null : elsewhere(cached, answers, order);
}

/** Plain SQL refuses what is malformed only where a row is compared with it. */
function notRefused({ hostile }: Query, { cached = '', one = '', sql = '' }: Answers): string | null {
  return isError(hostile ? one : sql) ? null : `SQL and an ${cached.slice(0, 200)}`;
}

/** Other ways than from the cache, and what is said where they do not agree with it. */
const ROUTES = [
  ['live', 'cached and live'],
  ['mixed', 'cached and partly live'],
  ['cramped', 'cached and live through temporary tables'],
] as const;

function isError(answer: string): boolean {
  return answer.startsWith('error:');
}

/** Whether routes may answer differently. */
function isOpen(world: World, order: Order, cached: string): boolean {
  if (isUnknown(cached)) return true;
  // Views have no key that would say which of two equal rows is first.
  return order !== 'total' && world.tables.some(({ isView }) => isView);
}

/** Compares with the answers of one database. */
function elsewhere(cached: string, { one = cached, sql = '' }: Answers, order: Order): string | null {
  if (order === 'any') return null;
  const isOrdered = order === 'total';
  const form = (text: string): string => (isOrdered ? JSON.stringify(JSON.parse(text)) : unordered(text));
  if (isOrdered ? cached !== one : form(cached) !== form(one)) return 'dealt out and in one database';
  return form(cached) === form(sql) ? null : 'nearjoin and plain SQL';
}

type Order = 'total' | 'none' | 'any';

/** `total`: every list is ordered by its key in the end. `none`: some is not, and none of those is cut. */
function orderOf(query: Query, world: World): Order {
  // Where a database lacks the other's types it orders their values by their text.
  if (hasOwnTypes(world) && !world.sharedTypes) return 'any';
  const cuts =
    query.role !== 'admin' &&
    world.tables.some(({ permissions }) => permissions.some(({ limit }) => limit !== null));
  const orders = listsIn(query).map((rows): Order => {
    if (rows.total) return 'total';
    const isCut = rows.limit !== null || rows.offset !== null || rows.distinctOn.length > 0;
    return isCut || cuts ? 'any' : 'none';
  });
  return (['any', 'none'] as const).find((order) => orders.includes(order)) ?? 'total';
}

/** The arguments of every list in a query. */
function listsIn(value: unknown): readonly Rows[] {
  if (typeof value !== 'object' || value === null) return [];
  const inner = Object.values(value).flatMap(listsIn);
  return 'orderBy' in value ? [value as Rows, ...inner] : inner;
}

function unordered(text: string): string {
  const sort = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map((one) => JSON.stringify(sort(one))).sort();
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, sort(member)]));
  };
  return JSON.stringify(sort(JSON.parse(text)));
}
