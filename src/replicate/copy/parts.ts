import { inCache, overlayName } from '../../cache/names.ts';
import { type StoredTable, updateSql, updateStoredTable } from '../../cache/table/stored.ts';
import { must } from '../../core/assert.ts';
import { formatLsn, type Lsn } from '../../core/position/lsn.ts';
import { inOneOf } from '../../core/rows/key-part.ts';
import { overlaySink } from '../write/sink.ts';
import { columnsToCopy, copyIntoSql } from './format.ts';
import { writeRows } from './rows.ts';
import { begin, commit } from './transaction.ts';
import { withSnapshot } from './waiting.ts';
import type { CopyWork } from './work.ts';

/**
 * Reads parts of a table again in the place of those the copy has. A key outside of them that does not change after
 * `since` is in the copy as it was then; one inside comes from the snapshot; all that change later are in the overlay.
 */
export async function copyParts(
  before: StoredTable,
  settled: () => Promise<void>,
  work: CopyWork,
): Promise<StoredTable> {
  // The changes of the transactions that changed the partitions must not reach the overlay, which wins.
  if (before.overlay === null) await settled();
  const { stored, since } = await keepChanges(before, work);
  return await withSnapshot({ stored, since }, work, async (snapshot) => {
    await work.onStep?.('copy:snapshot-taken');
    return await work.sessions.use(async ({ client }) => {
      const parts = Object.values(must(stored.parts, 'the parts to read again')).flat();
      await begin(client, work.lease, `delete from ${inCache(stored.relation)} where ${inOneOf(parts)}`);
      const rows = await snapshot.copy({ ...columnsToCopy(stored), parts });
      await writeRows(rows, copyIntoSql(stored, { isFrozen: false }), client, work);
      await work.onStep?.('copy:rows-copied');
      const filled = { state: 'catching-up', copied_at: formatLsn(snapshot.at) };
      await commit(client, updateSql(stored, filled));
      return { ...stored, copiedAt: snapshot.at };
    }, work.stop);
  });
}

/** From here on changes are kept in an overlay. */
async function keepChanges(
  before: StoredTable,
  { exclusively, sinks, progress, stop }: CopyWork,
): Promise<{ readonly stored: StoredTable; readonly since: Lsn }> {
  if (before.overlay !== null) return { stored: before, since: progress.applied };
  return exclusively(async (client) => {
    stop.throwIfAborted();
    const overlay = overlayName(before.target, before.table, before.generation);
    await updateStoredTable(client, before, { overlay });
    const stored = { ...before, overlay };
    sinks.set(overlaySink(stored, false));
    return { stored, since: progress.applied };
  });
}
