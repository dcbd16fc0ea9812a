import { lastLeader, silentLeader, takeEpoch } from '../../cache/feed/lease.ts';
import type { FeedLease } from '../../cache/feed/row.ts';
import { type Queryable, rowOf } from '../../cache/queryable.ts';
import type { SourceName } from '../../core/names.ts';
import { INSUFFICIENT_PRIVILEGE, LOCK_NOT_AVAILABLE, sqlStateOf } from '../../core/postgres/sql-state.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import { applicationName } from '../session.ts';
import type { Patience } from './patience.ts';

/** Who wants to lead. */
export interface Candidate {
  readonly target: SourceName;
  /** Unique to this attempt at leading; part of the application name of all its sessions. */
  readonly leader: string;
  /** A leader that did not renew its lease for so long is ended. */
  readonly patience: Patience;
}

const LOCK = `hashtextextended('nearjoin feed ' || $1, 0)`;
/** How often the feed's row is asked for before that fails. Each try waits for half a second, the session's lock timeout. */
const EPOCH_ATTEMPTS = 20;

/**
 * Waits until this session leads the feed; null when the signal aborts first, or when its last leader has removed it. The
 * session's advisory lock keeps others out while it lives. The epoch keeps out the writes of a leader that lost the lock without
 * noticing.
 */
export async function acquireLease(
  client: Queryable,
  candidate: Candidate,
  clock: Clock,
  signal: AbortSignal,
): Promise<FeedLease | null> {
  while (!signal.aborted) {
    const { locked } = await rowOf<{ locked: boolean }>(
      client,
      `select pg_try_advisory_lock(${LOCK}) as locked`,
      [candidate.target],
    );
    if (locked) return raiseEpoch(client, candidate, signal);
    await endSilentLeader(client, candidate);
    await clock.delay(250, signal);
  }
  return null;
}

async function raiseEpoch(
  client: Queryable,
  candidate: Candidate,
  signal: AbortSignal,
): Promise<FeedLease | null> {
  const leader = await lastLeader(client, candidate.target);
  if (leader === undefined) return null;
  // Nobody holds the lock, so whatever the last leader left running is without a lead: its open transaction would
  // keep the epoch from being raised.
  if (leader !== null) await endSessions(client, leader);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await takeEpoch(client, candidate.target, candidate.leader);
    } catch (error) {
      // Else somebody has locked the row by hand.
      const mayPass = sqlStateOf(error) === LOCK_NOT_AVAILABLE && attempt < EPOCH_ATTEMPTS && !signal.aborted;
      if (!mayPass) throw error;
      if (leader !== null) await endSessions(client, leader);
    }
  }
}

async function endSilentLeader(client: Queryable, { target, patience }: Candidate): Promise<void> {
  const leader = await silentLeader(client, target, patience.ms);
  if (leader === null) return;
  patience.spent(leader);
  await endSessions(client, leader);
}

/** Ends a leader's sessions, but for this one. */
export async function endSessions(client: Queryable, leader: string): Promise<void> {
  try {
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = $1 and datname = current_database() and pid <> pg_backend_pid()`,
      [applicationName(leader)],
    );
  } catch (error) {
    // Another role's sessions may not be ended: the server's own time-outs end them, later.
    if (sqlStateOf(error) !== INSUFFICIENT_PRIVILEGE) throw error;
  }
}
