import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Nearjoin, startNearjoin } from '../support/nearjoin.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { crosses, MODEL, TABLES } from './model.ts';
import { toGraphql, toSql } from './print.ts';
import { selection } from './query.ts';
import { type Write, write } from './writes.ts';

// Cached, live and one database's plain SQL must agree, whatever was written and is asked.

const BUDGET_MS = Number(process.env['NEARJOIN_ORACLE_SECONDS'] ?? 25) * 1000;
const SEED = process.env['NEARJOIN_SEED'] === undefined ? undefined : Number(process.env['NEARJOIN_SEED']);

let databases: Record<'pg1' | 'pg2' | 'all' | 'meta', TestDatabase>;
let nearjoin: Nearjoin;

beforeAll(async () => {
  const ddl = (where: 'pg1' | 'pg2') =>
    TABLES.filter((table) => MODEL[table].database === where).map((table) => MODEL[table].ddl);
  const [pg1, pg2, all, meta] = await Promise.all([
    createDatabase('source', ddl('pg1')),
    createDatabase('target', ddl('pg2')),
    createDatabase(
      'source',
      TABLES.map((table) => MODEL[table].ddl),
    ),
    createDatabase('source', []),
  ]);
  databases = { pg1, pg2, all, meta };
  for (const one of fc.sample(write, { numRuns: 60, ...(SEED === undefined ? {} : { seed: SEED }) }))
    await apply(one);
  nearjoin = await startNearjoin({ NEARJOIN_METADATA_DATABASE_URL: meta.url });
  const replaced = await nearjoin.metadata('replace_metadata', metadataOf(databases));
  expect(replaced.body).toMatchObject({ is_consistent: true });
  await nearjoin.untilReady();
  await nearjoin.untilHit(
    '{ orders { items { id } user { country { id } reviews { id } } store { label } reviews { id } } users { orders { items { id } } } }',
  );
});

afterAll(async () => {
  await nearjoin?.stop();
  await Promise.all(Object.values(databases ?? {}).map((database) => database.drop()));
});

function metadataOf({ pg1, pg2 }: { pg1: TestDatabase; pg2: TestDatabase }): unknown {
  const source = (name: 'pg1' | 'pg2', database: TestDatabase) => ({
    name,
    kind: 'postgres',
    configuration: { connection_info: { database_url: database.url } },
    tables: TABLES.filter((table) => MODEL[table].database === name).map((table) => tableMetadata(table)),
  });
  return { version: 3, sources: [source('pg1', pg1), source('pg2', pg2)] };
}

function tableMetadata(table: (typeof TABLES)[number]): unknown {
  const local = { object: [] as unknown[], array: [] as unknown[] };
  const remote: unknown[] = [];
  for (const [name, to] of Object.entries(MODEL[table].relationships)) {
    const target = { schema: 'public', name: to.to };
    if (crosses(table, to)) {
      const to_source = {
        relationship_type: to.kind,
        source: MODEL[to.to].database,
        table: target,
        field_mapping: to.on,
        nearjoin: { follow: 'all' },
      };
      remote.push({ name, definition: { to_source } });
    } else {
      local[to.kind].push({
        name,
        using: { manual_configuration: { remote_table: target, column_mapping: to.on } },
      });
    }
  }
  return {
    table: { schema: 'public', name: table },
    object_relationships: local.object,
    array_relationships: local.array,
    remote_relationships: remote,
  };
}

async function apply({ database, statements }: Write): Promise<void> {
  const transaction = ['begin', ...statements, 'commit'].join(';\n');
  await databases[database].query(transaction);
  await databases.all.query(transaction);
}

async function tokens(): Promise<string> {
  const position = async (name: 'pg1' | 'pg2'): Promise<string> => {
    const { rows } = await databases[name].query('select pg_current_wal_insert_lsn()::text as lsn');
    return `${name}:${String(rows[0]?.['lsn'])}`;
  };
  return (await Promise.all([position('pg1'), position('pg2')])).join(',');
}

test('cached, live and plain SQL in one database agree', { timeout: BUDGET_MS + 120_000 }, async () => {
  const property = fc.asyncProperty(fc.array(write, { maxLength: 3 }), selection, async (writes, asked) => {
    for (const one of writes) await apply(one);
    const query = toGraphql(asked);
    const token = await tokens();
    const cached = await nearjoin.graphql(query, {
      headers: { 'x-nearjoin-token': token, 'x-nearjoin-fallback': 'wait' },
    });
    const live = await nearjoin.graphql(query, { headers: { 'cache-control': 'no-cache' } });
    expect(cached.headers.get('cache-status') ?? '').not.toContain('fwd=');
    expect(live.headers.get('cache-status') ?? '').not.toContain('hit');
    expect(live.text).toBe(cached.text);
    const { rows } = await databases.all.query(toSql(asked));
    expect(cached.body).toEqual({ data: JSON.parse(String(rows[0]?.['answer'])) });
  });
  await fc.assert(property, {
    numRuns: 1_000_000,
    interruptAfterTimeLimit: BUDGET_MS,
    markInterruptAsFailure: false,
    ...(SEED === undefined ? {} : { seed: SEED }),
  });
});
