import { randomUUID } from 'node:crypto';
import { NearjoinError } from '../../core/errors.ts';
import { OLDEST_POSTGRES, tooOld } from '../../core/postgres/oldest-postgres.ts';
import { INSUFFICIENT_PRIVILEGE, sqlStateOf } from '../../core/postgres/sql-state.ts';
import { mayNotCreate } from '../may-not-create.ts';
import { type Queryable, rowOf, rowsOf } from '../queryable.ts';
import { clearAway, isNone, lockTables, missingObjects, putBack } from './control-objects.ts';

/** What a source database's `nearjoin` schema says of itself. */
export interface Installation {
  /** Part of every slot's name, so that two sources of one target never share a slot. */
  readonly id: string;
  /** What somebody had dropped by hand, so that all of it was made anew; mostly nothing. */
  readonly restored: readonly string[];
}

// One number for all databases is enough: advisory locks are per database.
const MIGRATION_LOCK = 7_046_029_254;
/** All feeds of a source may begin at once, and each has its turn. */
const TURN_WAIT_MS = 10_000;
/** For tables that somebody may have locked. */
const LOCK_WAIT_MS = 500;

// Default privileges may let everybody use new schemas and read new tables: copies hold rows whose readers the target chooses.
const OWN_SCHEMA = 'create schema nearjoin; revoke all on schema nearjoin from public';

/** Steps to bring the schema from version n to n + 1; old entries are never edited. */
const VERSIONS: readonly string[] = [
  `create table nearjoin.installation (id uuid not null, schema_version int not null);
   create sequence nearjoin.generation as int;
   -- in the same round trip as the writes it guards: a replaced leader's transaction ends here
   create function nearjoin.fence(text, bigint) returns void language plpgsql as $fence$
   begin
     perform from nearjoin.feed where target = $1 and epoch = $2 for key share;
     if not found then
       raise exception 'the lease on feed % is lost', $1 using errcode = 'NJ001';
     end if;
   end $fence$;
   create table nearjoin.feed (
     target text primary key,
     connector text not null default 'postgres',
     slot text,
     epoch bigint not null default 0,
     leader text,
     leader_pid int,
     system_id text,
     timeline int,
     target_database text,
     paused boolean not null default false,
     resync_requested bigint not null default 0,
     resync_done bigint not null default 0,
     state text not null default 'starting',
     reason text,
     last_error text,
     target_position pg_lsn,
     retained_wal_bytes bigint,
     transactions_applied bigint not null default 0,
     changes_applied bigint not null default 0,
     updated_at timestamptz not null default clock_timestamp(),
     -- makes epoch a key column: the fence's key-share lock then stops a new epoch and nothing else
     unique (target, epoch)
   ) with (fillfactor = 50);
   create table nearjoin.watermark (
     target text not null,
     seq bigint not null,
     position pg_lsn,
     fresh_as_of bigint,
     primary key (target, seq)
   ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_threshold = 1000000);
   create table nearjoin.cache_table (
     target text not null,
     schema_name text not null,
     table_name text not null,
     relation text not null,
     columns jsonb not null,
     key_columns jsonb not null,
     state text not null,
     reason text,
     copied_at pg_lsn,
     overlay text,
     overlay_truncated boolean not null default false,
     rows_copied bigint not null default 0,
     rows_estimated bigint,
     generation int not null,
     resync boolean not null default false,
     primary key (target, schema_name, table_name)
   ) with (fillfactor = 50);
   insert into nearjoin.installation values (current_setting('nearjoin.new_id')::uuid, 0)`,
  `create table nearjoin.verification (
     id bigint generated always as identity primary key,
     target text not null,
     tables jsonb,
     repair boolean not null,
     rows_per_second int,
     state text not null default 'asked',
     reason text,
     report jsonb not null default '[]',
     asked_at timestamptz not null default clock_timestamp(),
     finished_at timestamptz
   );
   create index on nearjoin.verification (target, id);
   alter table nearjoin.feed add verified_at timestamptz, add rows_differing bigint`,
  `alter table nearjoin.cache_table add column shape jsonb;
   alter table nearjoin.feed add column last_error_at timestamptz`,
  // Overlays made before lack columns: what was being copied is copied again.
  `alter table nearjoin.cache_table add column piece_cursor jsonb;
   update nearjoin.cache_table set state = 'pending' where state in ('copying', 'catching-up')`,
  // The feed's row is written every second: while an old snapshot keeps its versions, finding it costs more and more.
  // What fences lock is a row that changes with the leader only; it follows the feed's, and must be free for that.
  `create table nearjoin.lease (
     target text primary key,
     epoch bigint not null,
     unique (target, epoch),
     foreign key (target, epoch) references nearjoin.feed (target, epoch) on update cascade on delete cascade
   );
   insert into nearjoin.lease select target, epoch from nearjoin.feed;
   create or replace function nearjoin.fence(text, bigint) returns void language plpgsql as $fence$
   begin
     perform from nearjoin.lease where target = $1 and epoch = $2 for key share;
     if not found then
       raise exception 'the lease on feed % is lost', $1 using errcode = 'NJ001';
     end if;
   end $fence$`,
  `alter table nearjoin.watermark add column commit_end pg_lsn, add column commit_time bigint`,
  // Which definition of its columns a copy was made with is not known of each column yet: the next look notes it.
  `alter table nearjoin.cache_table add column serving jsonb;
   update nearjoin.cache_table set shape = jsonb_set(shape, '{written}', '{}') where shape is not null`,
  `alter table nearjoin.cache_table add column unwanted_until timestamptz`,
  `alter table nearjoin.feed add column server_started text`,
  `alter table nearjoin.feed add column early jsonb`,
  // Where the database publishes all its tables, rows of one without a key cannot be updated.
  'alter table nearjoin.installation add primary key (id)',
  'alter table nearjoin.installation add column owner uuid, add column owned_at timestamptz',
];

const NOW_CURRENT = `update nearjoin.installation set schema_version = ${VERSIONS.length}`;

/** Creates, upgrades or mends schema `nearjoin` in the source database; safe when several nodes start at once. */
export async function migrate(client: Queryable): Promise<Installation> {
  try {
    const found = await installed(client);
    if (found !== null && isWhole(found, await missingObjects(client))) return { id: found.id, restored: [] };
    return await upgrade(client);
  } catch (error) {
    if (sqlStateOf(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    throw await notAllowed(client, error);
  }
}

interface Found {
  readonly id: string;
  readonly version: number;
}

function isWhole({ version }: Found, missing: readonly string[]): boolean {
  return version === VERSIONS.length && missing.length === 0;
}

/** Looks before it asks: a database without the schema would write an error to its log for every feed. */
async function installed(client: Queryable): Promise<Found | null> {
  const { there } = await rowOf<{ there: boolean }>(
    client,
    `select to_regclass('nearjoin.installation') is not null as there`,
  );
  if (!there) return null;
  const [row] = await rowsOf<Found>(
    client,
    'select id, schema_version as version from nearjoin.installation',
  );
  return row ?? null;
}

async function upgrade(client: Queryable): Promise<Installation> {
  const newId = await chooseId(client);
  await client.query('begin');
  try {
    await client.query(`select set_config('nearjoin.new_id', $1, true)`, [newId]);
    await client.query(`set local lock_timeout = ${TURN_WAIT_MS}`);
    await client.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await client.query(`set local lock_timeout = ${LOCK_WAIT_MS}`);
    const there = await rowOf<{ server: number; schema: boolean }>(
      client,
      `select current_setting('server_version_num')::int as server, to_regnamespace('nearjoin') is not null as schema`,
    );
    if (there.server < OLDEST_POSTGRES)
      throw new NearjoinError('invalid-configuration', tooOld('source', there.server));
    // Not "if not exists": that asks for the right to make schemas even where an administrator has made this one.
    if (!there.schema) await client.query(OWN_SCHEMA);
    const found = await installed(client);
    if (found !== null && found.version > VERSIONS.length) throw tooNew(found.version);
    const restored = await bringUpToDate(client, found);
    const { id } = await rowOf<{ id: string }>(client, 'select id from nearjoin.installation');
    await client.query('commit');
    return { id, restored };
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

/**
 * Upgrades the schema; where parts of it are missing makes all of it anew, and returns what was missing. Nothing is left to do
 * where another process had its turn before.
 */
async function bringUpToDate(client: Queryable, found: Found | null): Promise<readonly string[]> {
  const missing = await missingObjects(client);
  if (found !== null && isWhole(found, missing)) return [];
  await lockTables(client, missing);
  const isDamaged =
    found === null ? !isNone(missing) : found.version === VERSIONS.length && missing.length > 0;
  if (!isDamaged) {
    await client.query([...VERSIONS.slice(found?.version ?? 0), NOW_CURRENT].join(';\n'));
    return [];
  }
  // Slots are named after it.
  if (found !== null) await client.query(`select set_config('nearjoin.new_id', $1, true)`, [found.id]);
  const kept = await clearAway(client, missing);
  await client.query([...VERSIONS, NOW_CURRENT].join(';\n'));
  await putBack(client, kept);
  return missing;
}

/** The same database gives the same id, also after somebody dropped our schema: the slot it left behind is found again. */
async function chooseId(client: Queryable): Promise<string> {
  try {
    const { id } = await rowOf<{ id: string }>(
      client,
      `select md5(concat_ws(' ', 'nearjoin', system_identifier, d.oid))::uuid::text as id
       from pg_control_system(), pg_database d where d.datname = current_database()`,
    );
    return id;
  } catch (error) {
    if (sqlStateOf(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    return randomUUID();
  }
}

function tooNew(version: number): NearjoinError {
  return new NearjoinError(
    'invalid-configuration',
    `schema "nearjoin" has version ${version}, made by a newer nearjoin; this one knows up to ${VERSIONS.length}`,
  );
}

async function notAllowed(client: Queryable, cause: unknown): Promise<NearjoinError> {
  const { exists, ...who } = await rowOf<{ role: string; database: string; exists: boolean }>(
    client,
    `select quote_ident(current_user) as role, quote_ident(current_database()) as database,
       to_regnamespace('nearjoin') is not null as exists`,
  );
  const { role, database } = who;
  const what = exists
    ? `role ${role} may not use schema "nearjoin" in database ${database}; run: grant usage, create on schema nearjoin to ${role}`
    : mayNotCreate(who);
  return new NearjoinError('invalid-configuration', what, { cause });
}
