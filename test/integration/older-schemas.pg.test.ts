import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { migrate } from '../../src/cache/schema/migrate.ts';
import { readCacheStatus } from '../../src/cache/status/status.ts';
import { openMetadataStore } from '../../src/metadata/store.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// What databases hold that older versions have left, as dumps: the first version whose steps are the ones of today, and the newest when
// this was written. A step that was edited afterwards makes a new schema unlike the dumps.

const CATALOG = `
  with relation as (select * from pg_class where relnamespace = $1::text::regnamespace)
  select 'relation' as what, relname::text as name, concat_ws(' ', relkind, reloptions) as said from relation where relkind <> 'i'
  union all select 'column', relname || '.' || attname,
    concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, attidentity, pg_get_expr(adbin, adrelid))
    from relation r join pg_attribute a on attrelid = r.oid and attnum > 0 and not attisdropped
    left join pg_attrdef d on adrelid = r.oid and adnum = attnum where relkind = 'r'
  union all select 'index', relname, pg_get_indexdef(oid) from relation where relkind = 'i'
  union all select 'constraint', conname, conrelid::regclass || ' ' || pg_get_constraintdef(oid)
    from pg_constraint where connamespace = $1::text::regnamespace and contype <> 'n'
  union all select 'function', proname, pg_get_functiondef(oid) from pg_proc where pronamespace = $1::text::regnamespace
  union all select 'sequence', sequencename, concat_ws(' ', data_type, min_value, max_value, increment_by)
    from pg_sequences where schemaname = $1
  order by 1, 2`;

const made: TestDatabase[] = [];

afterEach(async () => {
  for (const database of made.splice(0)) await database.drop();
});

async function database(dump?: string): Promise<TestDatabase> {
  const one = await createDatabase('source');
  made.push(one);
  if (dump !== undefined)
    await one.query(await readFile(new URL(`older-schemas/${dump}.sql`, import.meta.url), 'utf8'));
  return one;
}

async function catalogOf(database: TestDatabase, schema: string): Promise<unknown> {
  return (await database.query(CATALOG, [schema])).rows;
}

async function upgraded({ url }: TestDatabase): Promise<string> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await migrate(client)).id;
  } finally {
    await client.end();
  }
}

test.each(['cache-4', 'cache-12'])(
  'schema nearjoin of %s becomes as a new one, and keeps its rows',
  async (dump) => {
    const [fresh, old] = await Promise.all([database(), database(dump)]);
    await upgraded(fresh);
    expect(await upgraded(old)).toBe('e1f7d8a0-0000-4000-8000-000000000001');
    expect(await catalogOf(old, 'nearjoin')).toEqual(await catalogOf(fresh, 'nearjoin'));
    const { feeds, barred } = await readCacheStatus(old);
    expect(barred).toBeNull();
    expect([...feeds.values()]).toMatchObject([
      {
        target: 'pg2',
        state: 'paused',
        slot: 'nearjoin_slot',
        position: 0x200n,
        freshAsOf: 2000,
        lastError: '2026-11-25T11:00:00Z none',
        transactionsApplied: 7,
        tables: [
          { relation: 'pg2__public__copying__g2', state: { kind: 'copying' } },
          { relation: 'pg2__public__ready__g1', state: { kind: 'ready' } },
        ],
      },
    ]);
    await old.query("begin; select nearjoin.fence('pg2', 3); commit");
    const { rows } = await old.query(
      `select nextval('nearjoin.generation')::int as generation, (select state from nearjoin.verification) as verification`,
    );
    expect(rows).toEqual([{ generation: 3, verification: 'done' }]);
  },
);

test('what a newer program has made of schema nearjoin is told', async () => {
  const newer = await database('cache-12');
  await newer.query('update nearjoin.installation set schema_version = 99');
  expect((await readCacheStatus(newer)).barred).toMatch(
    /^schema "nearjoin" has version 99, made by a newer nearjoin; this one knows up to \d+: /,
  );
});

test.each(['metadata-1', 'metadata-4'])(
  '%s becomes as a new metadata database, and keeps its rows',
  async (dump) => {
    const [fresh, old] = await Promise.all([database(), database(dump)]);
    const open = ({ url }: TestDatabase): ReturnType<typeof openMetadataStore> =>
      openMetadataStore({ url, log: { warn: () => undefined } });
    await (await open(fresh)).close();
    const store = await open(old);
    try {
      expect(await catalogOf(old, 'nearjoin_metadata')).toEqual(await catalogOf(fresh, 'nearjoin_metadata'));
      expect(await store.load()).toMatchObject({
        resourceVersion: 7,
        metadata: { sources: [{ name: 'pg1' }] },
      });
      const id = 'e1f7d8a0-0000-4000-8000-000000000002';
      expect(await store.catalogState()).toEqual({ id, cli_state: { a: 1 }, console_state: { b: 2 } });
      const slot = { slot: 'nearjoin_slot', source: 'pg1', target: 'pg2' };
      expect(await store.slots.noted()).toEqual(dump === 'metadata-1' ? [] : [slot]);
    } finally {
      await store.close();
    }
  },
);
