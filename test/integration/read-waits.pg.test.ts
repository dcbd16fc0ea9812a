import { expect, test } from 'vitest';
import { parseLsn } from '../../src/core/position/lsn.ts';
import { TestLane } from '../support/lane.ts';
import { leadingTo } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import { createDatabase } from '../support/postgres.ts';

const BOUND_MS = 600_000;

test('a cache that met the bound when a request came is not waited for because another was', async () => {
  const databases = {
    pg1: await createDatabase('source', ['create table doc as select 1 as id']),
    pg2: await createDatabase('target', [`create table late as select 1 as id, 'late' as name`]),
    pg3: await createDatabase('target', [`create table here as select 1 as id, 'here' as name`]),
  };
  const { pg1 } = databases;
  const remote = (source: string, name: string) => ({
    name,
    definition: leadingTo(source, name, { id: 'id' }),
  });
  const tables = {
    pg1: [{ table: 'doc', remote_relationships: [remote('pg2', 'late'), remote('pg3', 'here')] }],
    pg2: [{ table: 'late' }],
    pg3: [{ table: 'here' }],
  };
  const lane = await TestLane.open(databases, tables, { waitMs: 60_000 });
  try {
    await lane.fillCaches();
    await lane.setWatermark('pg1', 'pg2', '0/1', 2 * BOUND_MS);
    // What was proved of later positions: the caches may have come there, and so are tried.
    const proof = { position: parseLsn('0/2'), freshAsOf: Date.now() * 1000 };
    for (const target of ['pg2', 'pg3']) lane.probes.put('pg1', target, proof);
    const freshness = { maxStalenessMs: BOUND_MS, fallback: 'wait' } as const;
    const asked = lane.query('{ doc { late { name } here { name } } }', { freshness });
    await poll('the request to wait', async () => {
      const waiting = `select from pg_stat_activity where datname = current_database() and query like $1`;
      return (await pg1.query(waiting, ['%nearjoin.watermark w where w.target = $1::text%'])).rows.length > 0;
    });
    await lane.setWatermark('pg1', 'pg3', '0/1', BOUND_MS);
    await lane.setWatermark('pg1', 'pg2', '0/1');
    const { text, targets } = await asked;
    expect(text).toBe('{"doc":[{"late":{"name":"late"},"here":{"name":"here"}}]}');
    expect(targets.map(({ route }) => route)).toEqual(['cache', 'cache']);
  } finally {
    await lane.close();
    for (const database of Object.values(databases)) await database.drop();
  }
});
