import pg from 'pg';
import { knownTypes } from '../../src/cache/known-types.ts';
import { migrate } from '../../src/cache/schema/migrate.ts';
import type { Catalog, WantedTable } from '../../src/catalog/catalog.ts';
import { askedOf } from '../../src/catalog/introspect/asked.ts';
import { introspect } from '../../src/catalog/introspect.ts';
import { heldType } from '../../src/catalog/type/held-type.ts';
import { must } from '../../src/core/assert.ts';
import { Stop, type StopSignal } from '../../src/core/waiting/stop-signal.ts';
import { Operations } from '../../src/graphql/operations.ts';
import { parseMetadata } from '../../src/metadata/document/parse.ts';
import { bindParams } from '../../src/plan/bind.ts';
import { DEFAULT_PLAN_LIMITS } from '../../src/plan/budget.ts';
import type { CompiledPlan } from '../../src/read/compiled-plan.ts';
import type { ExplainedRoot } from '../../src/read/explain.ts';
import type { FreshnessRequest, TargetReport } from '../../src/read/freshness.ts';
import { ProbeBoard } from '../../src/read/probe-board.ts';
import { ReadLane } from '../../src/read/read-lane.ts';
import type { ReadSettings } from '../../src/read/settings.ts';
import type { TestDatabase } from './postgres.ts';
import { resolve } from './resolve.ts';

/** How a test asks. */
export interface Asking {
  readonly variables?: Record<string, unknown>;
  readonly role?: string;
  readonly session?: Record<string, string>;
  readonly freshness?: Partial<FreshnessRequest>;
  readonly signal?: StopSignal;
}

/** Parts of the metadata beside the tables. */
export interface MoreMetadata {
  readonly inherited_roles?: readonly object[];
  /** By source. */
  readonly customization?: Readonly<Record<string, object>>;
  /** Tracked functions by source. */
  readonly functions?: Readonly<Record<string, readonly object[]>>;
  /** Logical models and native queries by source. */
  readonly queries?: Readonly<
    Record<string, { readonly logical_models: readonly object[]; readonly native_queries: readonly object[] }>
  >;
}

/** An answer with its text as it would be sent. */
export interface LaneAnswer {
  readonly text: string;
  readonly targets: readonly TargetReport[];
}

interface LaneParts {
  readonly look: (generation: number) => Promise<Catalog>;
  readonly catalog: Catalog;
  readonly settings: Partial<ReadSettings>;
  readonly urls: ReadonlyMap<string, string>;
}

/** The read lane over test databases, without HTTP and without a replicator: tests fill and age the caches themselves. */
export class TestLane {
  readonly lane: ReadLane;
  readonly probes: ProbeBoard;
  readonly #look: LaneParts['look'];
  #catalog: Catalog;
  readonly #databases: Readonly<Record<string, TestDatabase>>;
  readonly #operations: Operations<CompiledPlan>;

  private constructor(databases: Readonly<Record<string, TestDatabase>>, parts: LaneParts) {
    const { look, catalog, settings, urls } = parts;
    this.#databases = databases;
    this.#look = look;
    this.#catalog = catalog;
    this.probes = new ProbeBoard();
    const log = { warn: () => undefined };
    this.lane = new ReadLane({
      watch: { current: () => ({ urls, catalog: this.#catalog }) },
      probes: this.probes,
      settings,
      log,
    });
    this.#operations = new Operations({
      documents: { maxDocuments: 100, maxKeptTokens: 100_000, maxTokens: 100_000 },
      plans: { maxPlans: 1000, maxKeptNodes: 100_000 },
      limits: DEFAULT_PLAN_LIMITS,
      compile: (plan) => this.lane.compile(plan),
      allowList: null,
    });
  }

  static async open(
    databases: Readonly<Record<string, TestDatabase>>,
    tables: Readonly<Record<string, readonly unknown[]>>,
    settings: Partial<ReadSettings> = {},
    more: MoreMetadata = {},
  ): Promise<TestLane> {
    const urls = new Map(Object.keys(tables).map((name) => [name, databases[name]?.url ?? '']));
    const look = (generation: number): Promise<Catalog> => readCatalog({ urls, tables, more, generation });
    // A busy machine may take longer than a user would wait.
    const patient = { connectTimeoutMs: 60_000, silenceMs: 60_000, ...settings };
    return new TestLane(databases, { look, catalog: await look(1), settings: patient, urls });
  }

  /** Reads the databases' own catalogs again, as the watch does when they change. */
  async lookAgain(): Promise<void> {
    this.#catalog = await this.#look(this.#catalog.generation + 1);
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  async query(text: string, asking: Asking = {}): Promise<LaneAnswer> {
    const { plan, compiled, variables } = this.#prepare(text, asking);
    const answer = await this.lane.run({
      compiled,
      values: bindParams(plan, variables, new Map(Object.entries(asking.session ?? {}))),
      introspection: [],
      ...this.#rest(asking),
    });
    const body = answer.body.toString('utf8');
    return { text: body.slice('{"data":'.length, -1), targets: answer.targets };
  }

  async explain(text: string, asking: Asking = {}): Promise<readonly ExplainedRoot[]> {
    const { plan, compiled, variables } = this.#prepare(text, asking);
    const values = bindParams(plan, variables, new Map(Object.entries(asking.session ?? {})));
    return this.lane.explain({ compiled, values, ...this.#rest(asking) });
  }

  /** Copies every table that the catalog wants cached, as one transaction of the feed would leave it. */
  async fillCaches(): Promise<void> {
    for (const [index, wanted] of this.catalog.wanted.entries()) await this.#fill(wanted, index);
    for (const key of new Set(this.catalog.wanted.map(({ source, target }) => `${source} ${target}`))) {
      const [source = '', target = ''] = key.split(' ');
      await this.setWatermark(source, target, '0/1');
    }
  }

  /** Writes a watermark as the replicator would: fresh as of `ageMs` before now. */
  async setWatermark(source: string, target: string, position: string | null, ageMs = 0): Promise<void> {
    await this.#database(source).query(
      `insert into nearjoin.watermark select $1, coalesce(max(seq), 0) + 1, $2::pg_lsn,
         (extract(epoch from clock_timestamp()) * 1000000)::bigint - $3::bigint * 1000
       from nearjoin.watermark where target = $1`,
      [target, position, ageMs],
    );
  }

  async close(): Promise<void> {
    await this.lane.close();
  }

  #rest(asking: Asking): { freshness: FreshnessRequest; signal: StopSignal } {
    const open = { noCache: false, maxStalenessMs: null, fallback: null, tokens: new Map<string, never>() };
    return {
      freshness: { ...open, ...asking.freshness },
      signal: asking.signal ?? new Stop(),
    };
  }

  #prepare(text: string, asking: Asking) {
    const { variables = {}, role = 'admin' } = asking;
    return this.#operations.prepare({
      query: text,
      operationName: null,
      variables,
      role,
      catalog: this.catalog,
      over: 'socket',
    });
  }

  #database(name: string): TestDatabase {
    const found = this.#databases[name];
    if (found === undefined) throw new Error(`no database ${name}`);
    return found;
  }

  async #fill({ source, target, table }: WantedTable, index: number): Promise<void> {
    const client = new pg.Client({ connectionString: this.#database(source).url });
    await client.connect();
    try {
      await migrate(client);
      const known = await knownTypes(client);
      const columns = table.columns.map((column) => ({
        name: column.name,
        type: heldType(column.type, known),
      }));
      const relation = `${target}__${index}__${table.ref.name}`.slice(0, 40);
      const quote = pg.escapeIdentifier;
      const list = columns.map(({ name, type }) => `${quote(name)} ${type}`).join(', ');
      await client.query(`drop table if exists nearjoin.${quote(relation)}`);
      await client.query(`create table nearjoin.${quote(relation)} (${list})`);
      const values = columns.map(({ name }) => `${quote(name)}::text as ${quote(name)}`).join(', ');
      const { rows } = await this.#database(target).query(
        `select ${values} from ${quote(table.ref.schema)}.${quote(table.ref.name)}`,
      );
      const casts = columns.map(({ name, type }) => `(r->>${pg.escapeLiteral(name)})::${type}`).join(', ');
      await client.query(
        `insert into nearjoin.${quote(relation)} select ${casts} from json_array_elements($1::json) r`,
        [JSON.stringify(rows)],
      );
      await this.#register(client, { target, table: table.ref, relation, columns });
    } finally {
      await client.end();
    }
  }

  async #register(
    client: pg.Client,
    cache: { target: string; table: { schema: string; name: string }; relation: string; columns: unknown },
  ): Promise<void> {
    await client.query(
      `insert into nearjoin.feed (target, state) values ($1, 'streaming') on conflict do nothing`,
      [cache.target],
    );
    await client.query(
      `insert into nearjoin.cache_table (target, schema_name, table_name, relation, columns, key_columns, state, generation)
       values ($1, $2, $3, $4, $5, '[]', 'ready', 1) on conflict do nothing`,
      [cache.target, cache.table.schema, cache.table.name, cache.relation, JSON.stringify(cache.columns)],
    );
  }
}

async function readCatalog({
  urls,
  tables,
  more: { inherited_roles, customization = {}, functions = {}, queries = {} },
  generation,
}: Pick<LaneParts, 'urls'> & {
  readonly tables: Readonly<Record<string, readonly unknown[]>>;
  readonly more: MoreMetadata;
  readonly generation: number;
}): Promise<Catalog> {
  const sources = [...urls].map(([name, url]) => ({
    name,
    kind: 'postgres',
    configuration: { connection_info: { database_url: url } },
    tables: tables[name] ?? [],
    functions: functions[name],
    ...queries[name],
    customization: customization[name],
  }));
  const metadata = parseMetadata({ version: 3, sources, inherited_roles });
  const found = await Promise.all(
    metadata.sources.map(async (source) => {
      const url = must(urls.get(source.name), 'a database of the test');
      return [source.name, await introspect(url, askedOf(source))] as const;
    }),
  );
  const catalog = resolve(metadata, new Map(found), { resourceVersion: 1, generation });
  if (catalog.inconsistent.length > 0) throw new Error(JSON.stringify(catalog.inconsistent));
  return catalog;
}
