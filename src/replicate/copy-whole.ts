import type { Snapshot } from '../../connectors/connector.ts';
import { createTableSql, type IndexWishes, indexSql } from '../cache/ddl.ts';
import { FENCE_SQL } from '../cache/feed-row.ts';
import { type StoredTable, updateStoredTable } from '../cache/stored-table.ts';
import { formatLsn } from '../core/lsn.ts';
import { columnsToCopy, copyIntoSql } from './copy-format.ts';
import { writeRows } from './copy-rows.ts';
import { type CopyWork, commit, makeIndex } from './copy-work.ts';

/** Fills a new cache table from the snapshot and builds its indexes, in one transaction; gives the table as it is then. */
export async function copyWhole(
  stored: StoredTable,
  indexes: IndexWishes,
  snapshot: Snapshot,
  work: CopyWork,
): Promise<StoredTable> {
  const { lease, sessions, stop, onStep } = work;
  const from = columnsToCopy(stored);
  return sessions.use(async ({ client }) => {
    await client.query('begin');
    await client.query(FENCE_SQL, [lease.target, lease.epoch]);
    await client.query(createTableSql(stored));
    // Nobody reads the table before it is ready, so its rows may be frozen from the start: no second write for them later.
    const into = copyIntoSql(stored, { isFrozen: true });
    const rows = await writeRows(await snapshot.copy(from), into, client, work);
    await onStep?.('copy:rows-copied');
    for (const statement of indexSql(stored, indexes)) await makeIndex(client, statement);
    const copiedAt = formatLsn(snapshot.at);
    const said = { state: 'catching-up', rows_copied: rows, copied_at: copiedAt };
    await updateStoredTable(client, stored, said);
    await commit(client);
    await onStep?.('copy:indexes-built');
    return { ...stored, copiedAt: snapshot.at };
  }, stop);
}
