import { DEFAULT_LIMITS, type FeedLimits } from '../../src/replicate/feed-options.ts';
import type { FeedRig } from './feed.ts';

/** Makes the target of a test send transactions before they commit as soon as they hold a few hundred changes. */
export const EARLY_TARGET = `do $$ begin
  execute format('alter database %I set logical_decoding_work_mem = ''64kB''', current_database());
end $$`;

/** Limits with which transactions that go on are written in many small batches, as soon as that may be. */
export const EARLY: Partial<FeedLimits> = {
  batch: { rows: 40, bytes: 8 << 20 },
  stage: { rows: 20, bytes: 256 << 10 },
  // However slow the machine, nothing waits so long by itself that one is given up for it.
  early: { ...DEFAULT_LIMITS.early, settledMs: 0, patienceMs: 600_000 },
};

/** Waits until all is copied and the newest stream is one that sends transactions that go on. */
export async function streamingEarly(rig: FeedRig, since = 0): Promise<void> {
  await rig.ready();
  const isSo = async (): Promise<boolean> => {
    const newest = rig.log.slice(since).findLast((line) => line.includes('"early":'));
    return newest?.includes('"early":true') ?? false;
  };
  await rig.until('a stream with transactions that go on', isSo);
}

/** Waits until so many transactions of the feed are half written on the source. */
export async function halfWritten(rig: FeedRig, count = 1): Promise<void> {
  await rig.until(`${count} half written`, async () => (await openOnSource(rig)) === count);
}

/** Transactions of the feed that are open on the source and have written something. */
async function openOnSource(rig: FeedRig): Promise<number> {
  const { rows } = await rig.source.query<{ open: number }>(
    `select count(*)::int as open from pg_stat_activity where datname = current_database()
       and application_name like 'nearjoin feed %' and state = 'idle in transaction' and backend_xid is not null`,
  );
  return rows[0]?.open ?? 0;
}

/** The reasons for which streams were opened anew. */
export function reopened(rig: FeedRig): readonly string[] {
  return rig.log
    .filter((line) => line.includes('opening the stream anew'))
    .map((line) => String(JSON.parse(line.slice(line.indexOf('{'))).reason))
    .filter((reason) => !reason.includes('are to come'));
}
