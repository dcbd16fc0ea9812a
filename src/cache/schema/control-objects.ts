import { keptStatement, type Queryable, rowOf, rowsOf } from '../queryable.ts';

/** Everything in schema `nearjoin` but the copies, in the order in which it can be dropped. */
const OBJECTS: readonly (readonly [name: string, kind: 'table' | 'sequence' | 'function'])[] = [
  ['lease', 'table'],
  ['feed', 'table'],
  ['watermark', 'table'],
  ['cache_table', 'table'],
  ['verification', 'table'],
  ['installation', 'table'],
  ['generation', 'sequence'],
  ['fence(text, bigint)', 'function'],
];

const STATE = keptStatement(`
  select name, case kind
      when 'function' then to_regprocedure('nearjoin.' || name) is not null
      else to_regclass('nearjoin.' || name) is not null end as there
  from unnest($1::text[], $2::text[]) as wanted (name, kind)`);

/** Names what somebody dropped by hand of the tables that the copies cannot be kept up without; empty when all is there. */
export async function missingObjects(client: Queryable): Promise<readonly string[]> {
  const rows = await rowsOf<{ name: string; there: boolean }>(client, STATE, [
    OBJECTS.map(([name]) => name),
    OBJECTS.map(([, kind]) => kind),
  ]);
  return rows.filter(({ there }) => !there).map(({ name }) => name);
}

/** Whether there is nothing of it yet, as in a new schema. */
export function isNone(missing: readonly string[]): boolean {
  return missing.length === OBJECTS.length;
}

/** What is kept of a damaged set while it is made anew. */
export interface Kept {
  readonly paused: readonly string[];
  /** No copy made from now on may have the name of one that is there. */
  readonly generation: number;
}

/**
 * The tables, in the order in which they are locked to be changed. Who reads the status begins with the installation, so
 * nobody does any more once that is locked; the others mostly come to these in this order. In another, they and the change
 * would wait for one another, time and again while much is read.
 */
const LOCKED = ['installation', 'watermark', 'lease', 'cache_table', 'verification', 'feed'];

/** Keeps everybody else from the tables that are there until the transaction ends. */
export async function lockTables(client: Queryable, missing: readonly string[]): Promise<void> {
  const there = LOCKED.filter((name) => !missing.includes(name));
  if (there.length > 0)
    await client.query(`lock table ${there.map((name) => `nearjoin.${name}`).join(', ')}`);
}

/** Drops what is left of a damaged set. The copies stay for whoever still reads them; nothing refers to them any more. */
export async function clearAway(client: Queryable, missing: readonly string[]): Promise<Kept> {
  const paused = missing.includes('feed')
    ? []
    : await rowsOf<{ target: string }>(client, 'select target from nearjoin.feed where paused');
  const { generation } = await rowOf<{ generation: number }>(
    client,
    `select coalesce(max(substring(relname from '__[go]([0-9]+)$')::int), 0) as generation
     from pg_class where relnamespace = 'nearjoin'::regnamespace`,
  );
  for (const [name, kind] of OBJECTS) await client.query(`drop ${kind} if exists nearjoin.${name}`);
  return { paused: paused.map(({ target }) => target), generation };
}

/** Puts into the new set what was kept of the old one. */
export async function putBack(client: Queryable, { paused, generation }: Kept): Promise<void> {
  await client.query('insert into nearjoin.feed (target, paused) select unnest($1::text[]), true', [paused]);
  if (generation > 0) await client.query(`select setval('nearjoin.generation', $1)`, [generation]);
}
