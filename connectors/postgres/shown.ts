import { systemClock } from '../../src/core/waiting/clock.ts';
import { ConnectorError } from '../connector.ts';
import type { AdminPool } from './client.ts';

/** Asks what an ordinary session sees, as text of type pg_snapshot. */
export const NOW = 'select pg_current_snapshot()::text as now';

/** So many looks follow at once: mostly a commit is shown a moment after it is logged, sooner than a timer ends. */
const LOOKS_AT_ONCE = 4;
/** Between two looks, in the beginning and in the end. */
const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 25;
/** A transaction of somebody else's may go on for hours. */
const LONGEST_REST_MS = 500;

/**
 * What to wait for. Postgres writes a commit to its log, and sends it to whoever follows the log, before its own sessions
 * see it: a moment before, or for as long as a synchronous standby takes to confirm it. What one snapshot sees every
 * later one sees too.
 */
export interface Showing {
  /** What an ordinary session sees now, as text of type pg_snapshot. */
  readonly look: () => Promise<string>;
  /** Judges it. */
  readonly isEnough: (snapshot: string) => boolean;
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/** What an ordinary session of the target sees now, as text of type pg_snapshot. */
export async function snapshotNow(admin: AdminPool): Promise<string> {
  const { now } = await admin.row<{ now: string }>(NOW, [], 'nearjoin_shown');
  return now;
}

/** Looks again and again until the target's sessions see enough; throws a ConnectorError when that takes too long. */
export async function untilEnough({ look, isEnough, limitMs, signal }: Showing): Promise<void> {
  const end = systemClock.monotonicMs() + limitMs;
  for (let looks = 1; !isEnough(await look()); looks += 1) {
    if (signal.aborted) throw new ConnectorError('retry', 'stopped before the target showed a transaction');
    if (systemClock.monotonicMs() >= end) throw notShown();
    if (looks < LOOKS_AT_ONCE) continue;
    const pauseMs = FIRST_PAUSE_MS * 2 ** (looks - LOOKS_AT_ONCE);
    await systemClock.delay(Math.min(pauseMs, LONGEST_PAUSE_MS), signal);
  }
}

/** Looks again and again until every transaction has ended that ran at the first look. */
export async function untilOutlasted({ look, signal }: Pick<Showing, 'look' | 'signal'>): Promise<void> {
  let now = partsOf(await look());
  const { next } = now;
  for (let pauseMs = FIRST_PAUSE_MS; distance(now.oldest, next) < 0; pauseMs *= 2) {
    await systemClock.delay(Math.min(pauseMs, LONGEST_REST_MS), signal);
    if (signal.aborted) throw new ConnectorError('retry', 'stopped before what runs on the target had ended');
    now = partsOf(await look());
  }
}

function notShown(): ConnectorError {
  return new ConnectorError(
    'retry',
    'the target has logged a commit and does not show it to its own sessions yet, as while it waits for a synchronous ' +
      'standby: see synchronous_standby_names and pg_stat_replication there',
  );
}

/** Whether the snapshot sees all of these transactions; the log names them by the low 32 bits of their numbers. */
export function sees(snapshot: string, xids: readonly number[]): boolean {
  const { next, running } = partsOf(snapshot);
  return xids.every((xid) => distance(xid, next) < 0 && !running.has(xid));
}

/** Whether a snapshot sees everything that an exported one does. */
export function seesAllOf(snapshot: string, exported: string): boolean {
  const now = partsOf(snapshot);
  const then = partsOf(exported);
  const isHidden = (xid: number): boolean => distance(xid, then.next) >= 0 || then.running.has(xid);
  for (const xid of now.running) if (!isHidden(xid)) return false;
  for (let xid = now.next; distance(xid, then.next) < 0; xid = (xid + 1) >>> 0) {
    if (!then.running.has(xid)) return false;
  }
  return true;
}

interface Parts {
  readonly oldest: number;
  readonly next: number;
  readonly running: ReadonlySet<number>;
}

/** `xmin:xmax:xip,…` with the low 32 bits of each. */
function partsOf(snapshot: string): Parts {
  const [oldest = '', next = '', running = ''] = snapshot.split(':');
  const list = running === '' ? [] : running.split(',').map(lowBits);
  return { oldest: lowBits(oldest), next: lowBits(next), running: new Set(list) };
}

function lowBits(xid: string): number {
  return Number(BigInt.asUintN(32, BigInt(xid)));
}

/** Numbers go round: which comes first shows in the sign of their difference. */
function distance(a: number, b: number): number {
  return (a - b) | 0;
}
