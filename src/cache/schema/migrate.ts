import { randomUUID } from 'node:crypto';
import { NearjoinError } from '../../core/errors.ts';
import { OLDEST_POSTGRES, tooOld } from '../../core/postgres/oldest-postgres.ts';
import { INSUFFICIENT_PRIVILEGE, sqlStateOf } from '../../core/postgres/sql-state.ts';
import { madeByNewer, mayNotCreate } from '../barred.ts';
import { type Queryable, rowOf, rowsOf } from '../queryable.ts';
import { VERSIONS } from '../schema-versions.ts';
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
    if (found !== null && found.version > VERSIONS.length)
      throw new NearjoinError('invalid-configuration', madeByNewer(found.version));
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
