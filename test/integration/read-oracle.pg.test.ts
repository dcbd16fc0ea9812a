import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { crosses, MODEL, TABLES, type TableName } from '../oracle/model.ts';
import { toGraphql, toSql } from '../oracle/print.ts';
import { selection } from '../oracle/query.ts';
import { write } from '../oracle/writes.ts';
import { TestLane } from '../support/lane.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// The read lane alone, without HTTP and replication: thousands of queries in the time the whole takes for dozens.

const BUDGET_MS = Number(process.env['NEARJOIN_ORACLE_SECONDS'] ?? 10) * 1000;
const SEED = process.env['NEARJOIN_SEED'] === undefined ? undefined : Number(process.env['NEARJOIN_SEED']);
const seeded = SEED === undefined ? {} : { seed: SEED };

let databases: Record<'pg1' | 'pg2' | 'all', TestDatabase>;
let lane: TestLane;
/** Everything live goes by temporary tables, filters and chunks that ordinary sizes would never reach. */
let cramped: TestLane;

beforeAll(async () => {
  const ddl = (where: 'pg1' | 'pg2'): string[] =>
    TABLES.filter((table) => MODEL[table].database === where).map((table) => MODEL[table].ddl);
  const [pg1, pg2, all] = await Promise.all([
    createDatabase('source', ddl('pg1')),
    createDatabase('target', ddl('pg2')),
    createDatabase(
      'source',
      TABLES.map((table) => MODEL[table].ddl),
    ),
  ]);
  databases = { pg1, pg2, all };
  for (const { database, statements } of fc.sample(write, { numRuns: 400, ...seeded })) {
    for (const to of [databases[database], all])
      await to.query(statements.filter((text) => !/^(truncate|delete)/.test(text)).join(';\n'));
  }
  lane = await TestLane.open(databases, { pg1: tablesOf('pg1'), pg2: tablesOf('pg2') });
  await lane.fillCaches();
  cramped = await TestLane.open(
    databases,
    { pg1: tablesOf('pg1'), pg2: tablesOf('pg2') },
    { liveInlineRows: 0, liveProbeRows: 2 },
  );
});

afterAll(async () => {
  await lane?.close();
  await cramped?.close();
  await Promise.all(Object.values(databases ?? {}).map((database) => database.drop()));
});

function tablesOf(database: string): unknown[] {
  return TABLES.filter((table) => MODEL[table].database === database).map(tableMetadata);
}

function tableMetadata(table: TableName): unknown {
  const local = { object: [] as unknown[], array: [] as unknown[] };
  const remote: unknown[] = [];
  for (const [name, to] of Object.entries(MODEL[table].relationships)) {
    if (crosses(table, to)) {
      const to_source = {
        relationship_type: to.kind,
        source: MODEL[to.to].database,
        table: to.to,
        field_mapping: to.on,
        nearjoin: { follow: 'all' },
      };
      remote.push({ name, definition: { to_source } });
    } else {
      local[to.kind].push({
        name,
        using: { manual_configuration: { remote_table: to.to, column_mapping: to.on } },
      });
    }
  }
  return {
    table,
    object_relationships: local.object,
    array_relationships: local.array,
    remote_relationships: remote,
  };
}

test('cached, live and plain SQL in one database agree', { timeout: BUDGET_MS + 60_000 }, async () => {
  let runs = 0;
  const property = fc.asyncProperty(selection, async (asked) => {
    runs += 1;
    const query = toGraphql(asked);
    const cached = await lane.query(query, { freshness: { fallback: 'stale' } });
    expect(cached.targets.filter(({ route }) => route !== 'cache')).toEqual([]);
    const live = await lane.query(query, { freshness: { noCache: true } });
    expect(live.targets.filter(({ route }) => route !== 'live')).toEqual([]);
    expect(live.text).toBe(cached.text);
    const other = await cramped.query(query, { freshness: { noCache: true } });
    expect(other.text).toBe(cached.text);
    const { rows } = await databases.all.query(toSql(asked));
    expect(JSON.parse(cached.text)).toEqual(JSON.parse(String(rows[0]?.['answer'])));
  });
  await fc.assert(property, {
    numRuns: 1_000_000,
    interruptAfterTimeLimit: BUDGET_MS,
    markInterruptAsFailure: false,
    ...seeded,
  });
  expect(runs).toBeGreaterThan(10);
});
