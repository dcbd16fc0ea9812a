import type { Snapshot } from '../../../connectors/connector.ts';
import { type StoredTable, updateStoredTable } from '../../cache/table/stored.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import type { HeldSnapshot } from './snapshots.ts';
import type { CopyWork } from './work.ts';

/** A copy whose rows are to be read from a snapshot that shows everything up to the position. */
interface Waiting {
  readonly stored: Pick<StoredTable, 'target' | 'table'>;
  readonly since: Lsn;
}

const TOLD_AFTER_MS = 2_000;
const WAITS = 'waiting for transactions that run on the target, or are prepared there, to end';

/** Waits; when transactions of the target make that last long, the copy's status says so. */
export async function tellIfLong<T>(
  { clock, exclusively }: Pick<CopyWork, 'clock' | 'exclusively'>,
  copy: Waiting['stored'],
  wait: Promise<T>,
): Promise<T> {
  const patience = new AbortController();
  const isSoon = Promise.race([
    wait.then(() => true),
    clock.delay(TOLD_AFTER_MS, patience.signal).then(() => false),
  ]);
  if (await isSoon.finally(() => patience.abort())) return await wait;
  const say = (reason: string | null): Promise<void> =>
    exclusively((client) => updateStoredTable(client, copy, { reason }));
  await say(WAITS);
  const done = await wait;
  await say(null);
  return done;
}

/** Holds such a snapshot. */
export async function holdSnapshot(
  work: CopyWork,
  { stored, since }: Waiting,
  stop: AbortSignal,
): Promise<HeldSnapshot> {
  const holding = work.snapshots.hold(since, work.run, stop);
  try {
    return await tellIfLong(work, stored, holding);
  } catch (error) {
    void holding.then(
      (held) => held.release(),
      () => undefined,
    );
    throw error;
  }
}

/** Holds a snapshot for the time of the work. */
export async function withSnapshot<T>(
  waiting: Waiting,
  copy: CopyWork,
  work: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  const held = await holdSnapshot(copy, waiting, copy.stop);
  try {
    return await work(held.snapshot);
  } finally {
    await held.release();
  }
}
