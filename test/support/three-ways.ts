import { expect } from 'vitest';
import { type Asking, type MoreMetadata, TestLane } from './lane.ts';
import { createDatabase, type TestDatabase } from './postgres.ts';

/** A relationship to another table of the world. */
export interface WorldRelationship {
  readonly kind: 'object' | 'array';
  readonly to: string;
  readonly on: Readonly<Record<string, string>>;
}

/** A table of the world: where it goes, and what metadata says of it. */
export interface WorldTable {
  readonly database: 'pg1' | 'pg2';
  /** Its name in the metadata, where it is not a bare name in schema public. */
  readonly ref?: object;
  readonly relationships?: Readonly<Record<string, WorldRelationship>>;
  /** By role; `_exists` names tables without a source. */
  readonly permissions?: Readonly<Record<string, object>>;
  readonly more?: object;
}

/** Tables with their rows: `sql` is run in every database, which then holds more tables than it is asked for. */
export interface World {
  readonly sql: readonly string[];
  readonly tables: Readonly<Record<string, WorldTable>>;
  /** May differ where tables lie in one database. */
  readonly metadata?: MoreMetadata | ((isDealt: boolean) => MoreMetadata);
  /** What else the databases are made with. */
  readonly forms?: readonly [string, string];
}

/** The same metadata over two databases, cached and live, and over one. */
export class ThreeWays {
  readonly all: TestDatabase;
  readonly dealt: TestLane;
  readonly together: TestLane;
  readonly #databases: readonly TestDatabase[];

  private constructor(
    databases: readonly TestDatabase[],
    all: TestDatabase,
    lanes: readonly [TestLane, TestLane],
  ) {
    this.#databases = databases;
    this.all = all;
    [this.dealt, this.together] = lanes;
  }

  static async open({ sql, tables, metadata = {}, forms = ['', ''] }: World): Promise<ThreeWays> {
    const [pg1, pg2] = await Promise.all([
      createDatabase('source', sql, forms[0]),
      createDatabase('target', sql, forms[1]),
    ]);
    const names = Object.keys(tables);
    const within = (database: string): unknown[] =>
      names
        .filter((name) => tables[name]?.database === database)
        .map((name) => metadataOf(name, tables, true));
    const more = typeof metadata === 'function' ? metadata : () => metadata;
    const dealt = await TestLane.open(
      { pg1, pg2 },
      { pg1: within('pg1'), pg2: within('pg2') },
      {},
      more(true),
    );
    await dealt.fillCaches();
    const whole = names.map((name) => metadataOf(name, tables, false));
    const together = await TestLane.open({ pg1 }, { pg1: whole }, {}, more(false));
    return new ThreeWays([pg1, pg2], pg1, [dealt, together]);
  }

  /** The answer, after checking that it is the same from one database, from the cache and live. */
  async agree(query: string, asking: Asking = {}): Promise<Record<string, unknown>> {
    const expected = await this.together.query(query, asking);
    const cached = await this.dealt.query(query, { ...asking, freshness: { fallback: 'stale' } });
    const live = await this.dealt.query(query, { ...asking, freshness: { noCache: true } });
    expect(cached.targets.map(({ route }) => route)).not.toContain('live');
    expect(live.targets.map(({ route }) => route)).not.toContain('cache');
    expect({ cached: cached.text, live: live.text }).toEqual({ cached: expected.text, live: expected.text });
    return JSON.parse(expected.text);
  }

  async close(): Promise<void> {
    await Promise.all([this.dealt.close(), this.together.close()]);
    await Promise.all(this.#databases.map((database) => database.drop()));
  }
}

function metadataOf(name: string, tables: World['tables'], isDealt: boolean): unknown {
  const { database, relationships = {}, permissions = {}, more = {} } = tables[name] ?? { database: 'pg1' };
  const lists = { object_relationships: [] as unknown[], array_relationships: [] as unknown[] };
  const remote: unknown[] = [];
  for (const [field, { kind, to, on }] of Object.entries(relationships)) {
    const source = tables[to]?.database;
    if (isDealt && source !== database) {
      const to_source = {
        relationship_type: kind,
        source,
        table: refOf(to, tables),
        field_mapping: on,
        nearjoin: { follow: 'all' },
      };
      remote.push({ name: field, definition: { to_source } });
    } else {
      const using = { manual_configuration: { remote_table: refOf(to, tables), column_mapping: on } };
      lists[`${kind}_relationships`].push({ name: field, using });
    }
  }
  const select_permissions = Object.entries(permissions).map(([role, permission]) => {
    return { role, permission: isDealt ? withSources(permission, tables) : permission };
  });
  return { table: refOf(name, tables), ...lists, remote_relationships: remote, select_permissions, ...more };
}

function refOf(name: string, tables: World['tables']): unknown {
  return tables[name]?.ref ?? name;
}

/** `_exists` names a table together with the database it went to. */
function withSources(rule: unknown, tables: World['tables']): unknown {
  if (Array.isArray(rule)) return rule.map((part) => withSources(part, tables));
  if (typeof rule !== 'object' || rule === null) return rule;
  return Object.fromEntries(
    Object.entries(rule).map(([key, value]) => {
      if (key !== '_table') return [key, withSources(value, tables)];
      return [key, { source: tables[String(value)]?.database, name: value }];
    }),
  );
}
