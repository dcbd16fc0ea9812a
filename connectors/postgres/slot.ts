import { must } from '../../src/core/assert.ts';
import { type Lsn, parseLsn } from '../../src/core/position/lsn.ts';
import { systemClock } from '../../src/core/waiting/clock.ts';
import { ConnectorError, type SlotHealth } from '../connector.ts';
import { type AdminPool, OwnClient } from './client.ts';
import { isGone, isHeld, toConnectorError } from './failure.ts';
import { READER_PREFIX, readerApplication, type Target } from './settings.ts';

const RELEASE_ATTEMPTS = 100;
const RELEASE_POLL_MS = 50;
const WHERE = { here: 'database = current_database()', anywhere: 'true' } as const;

interface SlotRow {
  readonly plugin: string | null;
  readonly here: boolean;
  readonly wal_status: string | null;
  readonly invalidation_reason: string | null;
  readonly conflicting: string | null;
  readonly confirmed: string | null;
  readonly retained: string | null;
  readonly for_copies: string | null;
  readonly active_pid: number | null;
  readonly is_synced: boolean;
  readonly awaited: string | null;
}

/** What temporary slots are called through which snapshots are taken, but for their ends. */
export function copySlotPrefix(name: string): string {
  return `${name.slice(0, 40)}_copy_`;
}

/** How our slot stands on the target. */
export async function readSlotHealth(admin: AdminPool, name: string): Promise<SlotHealth> {
  const [slot] = await admin.rows<SlotRow>(
    `select
       s.plugin,
       s.database = current_database() as here,
       s.wal_status,
       to_jsonb(s) ->> 'invalidation_reason' as invalidation_reason,
       to_jsonb(s) ->> 'conflicting' as conflicting,
       s.confirmed_flush_lsn::text as confirmed,
       case when not pg_is_in_recovery()
         then pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.restart_lsn)::text
       end as retained,
       case when not pg_is_in_recovery()
         then pg_wal_lsn_diff(pg_current_wal_insert_lsn(), (
           select min(c.restart_lsn) from pg_replication_slots c where c.temporary and starts_with(c.slot_name, $2)))::text
       end as for_copies,
       s.active_pid,
       coalesce((to_jsonb(s) ->> 'synced')::boolean, false) as is_synced,
       case when exists (
         select from pg_stat_activity a where a.pid = s.active_pid and a.wait_event = 'WaitForStandbyConfirmation'
       ) then current_setting('synchronized_standby_slots', true) end as awaited
     from pg_replication_slots s
     where s.slot_name = $1`,
    [name, copySlotPrefix(name)],
    'nearjoin_slot',
  );
  return slot === undefined ? { kind: 'missing' } : healthOf(slot);
}

function healthOf(slot: SlotRow): SlotHealth {
  if (slot.plugin !== 'pgoutput' || !slot.here) {
    return { kind: 'lost', reason: 'the slot of this name is not ours: another database or plugin uses it' };
  }
  if (slot.wal_status === 'lost' || slot.conflicting === 'true') {
    const why = slot.invalidation_reason ?? 'wal_removed';
    return { kind: 'lost', reason: `the target invalidated the slot (${why})` };
  }
  const retainedWalBytes = Number(slot.retained ?? 0);
  if (slot.confirmed === null) return { kind: 'unfinished', retainedWalBytes };
  return {
    kind: 'usable',
    confirmed: parseLsn(slot.confirmed),
    retainedWalBytes,
    retainedForCopies: Number(slot.for_copies ?? 0),
    activePid: slot.active_pid,
    isSynced: slot.is_synced,
    heldBack: slot.awaited === null ? null : awaiting(slot.awaited),
  };
}

function awaiting(slots: string): string {
  return `the target sends nothing that its standbys lack: synchronized_standby_slots is "${slots}" there, and one of these is behind; start its standby, or take it off the setting`;
}

/**
 * Creates the slot once what must be older than it is there, and returns where it starts; waits until transactions running
 * on the target have ended.
 */
export async function createSlot(
  admin: AdminPool,
  older: () => Promise<void>,
  signal: AbortSignal,
): Promise<Lsn> {
  const { target } = admin;
  const opening = OwnClient.open(target, signal, { applicationName: readerApplication(target) });
  opening.catch(() => undefined); // told below, unless something else fails before
  try {
    await older();
    await dropSlot(admin, 'anywhere');
    return await createThrough(admin, await opening);
  } finally {
    void opening.then(
      (own) => own.destroy(),
      () => undefined,
    );
  }
}

async function createThrough(admin: AdminPool, own: OwnClient): Promise<Lsn> {
  const { version } = await admin.row<{ version: number }>(
    `select current_setting('server_version_num')::int as version`,
  );
  // A failover slot survives the promotion of a standby that synchronizes slots.
  const more = version >= 170_000 ? ', false, true' : '';
  return await cutOnFailure(admin, own, async () => {
    const result = await own.client.query<{ lsn: string }>(
      `select lsn::text as lsn from pg_create_logical_replication_slot($1, 'pgoutput', false${more})`,
      [admin.target.name],
    );
    return parseLsn(must(result.rows[0], 'the row of a new slot').lsn);
  });
}

/**
 * Creating a slot waits for the target's running transactions, however long, and a backend that waits does not
 * notice that its client left: when the work fails, the backend is ended from outside.
 */
export async function cutOnFailure<T>(admin: AdminPool, own: OwnClient, work: () => Promise<T>): Promise<T> {
  const { log, name: slot } = admin.target;
  let pid = 0;
  try {
    pid = await backendPid(own);
    await own.client.query('set lock_timeout = 0');
    return await work();
  } catch (error) {
    await endBackend(admin, pid).catch((reason: unknown) =>
      log.info({ slot, err: reason, pid }, 'could not end the backend that was creating a slot'),
    );
    throw toConnectorError(error, 'administer');
  }
}

/** The server process behind a connection. */
export async function backendPid(own: OwnClient): Promise<number> {
  const result = await own.client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return result.rows[0]?.pid ?? 0;
}

/** Ends a server process of our own role; harmless when it is gone. */
async function endBackend(admin: AdminPool, pid: number): Promise<void> {
  await admin.rows('select pg_terminate_backend($1) from pg_stat_activity where pid = $1', [pid]);
}

/**
 * Drops the slot, ending a walsender of its reader that holds it; harmless when there is none. Slots of all databases of a
 * server share their names.
 */
export async function dropSlot(admin: AdminPool, where: 'here' | 'anywhere'): Promise<void> {
  const { name, reader } = admin.target;
  for (let attempt = 1; ; attempt += 1) {
    if (reader !== null) await freeSlot(admin, where);
    try {
      await admin.rows(
        `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and ${WHERE[where]}`,
        [name],
      );
      return;
    } catch (error) {
      if (isGone(error)) return;
      // Somebody took it again in between.
      if (!isHeld(error) || reader === null || attempt === 3) throw error;
    }
  }
}

/**
 * Ends a walsender that holds the slot, such as one whose client is gone, and waits until the slot is free. One that
 * reads for another database is left alone, and told of.
 */
export async function freeSlot(admin: AdminPool, where: 'here' | 'anywhere' = 'here'): Promise<void> {
  await refuseOtherReader(admin);
  for (let attempt = 0; attempt < RELEASE_ATTEMPTS; attempt += 1) {
    const holders = await admin.rows<{ active_pid: number }>(
      `select active_pid, pg_terminate_backend(active_pid)
       from pg_replication_slots
       where slot_name = $1 and active_pid is not null and ${WHERE[where]}`,
      [admin.target.name],
    );
    if (holders.length === 0) return;
    await systemClock.delay(RELEASE_POLL_MS);
  }
  throw new ConnectorError('retry', 'another session of the target keeps our slot and does not end');
}

/** Throws when somebody who lives reads from the slot for another database: two that took it in turns would each copy everything again and again. */
export async function refuseOtherReader(admin: AdminPool): Promise<void> {
  const { target } = admin;
  if (target.reader === null) return;
  // A session whose client is gone, as after a restart of the source, is ended by the server.
  const untilMs = systemClock.monotonicMs() + target.timings.walSenderTimeoutMs * 1.5;
  while (await isReadByOther(admin)) {
    if (systemClock.monotonicMs() >= untilMs) throw new ConnectorError('unfit', takenBy(target));
    await systemClock.delay(RELEASE_POLL_MS * 4);
  }
}

async function isReadByOther(admin: AdminPool): Promise<boolean> {
  const holders = await admin.rows(
    `select from pg_replication_slots s join pg_stat_activity a on a.pid = s.active_pid
     where s.slot_name = $1 and starts_with(a.application_name, $2) and a.application_name <> $3`,
    [admin.target.name, READER_PREFIX, readerApplication(admin.target)],
  );
  return holders.length > 0;
}

function takenBy({ name }: Target): string {
  return (
    `slot ${name} of the target is being read for another database of the same id: a clone of this source, or a primary ` +
    'that it was promoted from. End one of the two; a clone may follow too: stop the replicators that lead there, run there ' +
    'update nearjoin.installation set id = gen_random_uuid(), owner = null, and start them again'
  );
}
