import type pg from 'pg';
import type { Snapshot } from '../../../connectors/connector.ts';
import { createTableSql, indexSql, primaryKeySql, type WantedIndexes } from '../../cache/table/ddl.ts';
import { type StoredTable, savePiece, updateSql } from '../../cache/table/stored.ts';
import { formatLsn } from '../../core/position/lsn.ts';
import { NOTHING_LEFT } from '../../core/rows/piece-cursor.ts';
import { columnsToCopy, copyIntoSql } from './format.ts';
import { buildIndexes, makeIndex } from './indexes.ts';
import { writeRows } from './rows.ts';
import { begin, commit } from './transaction.ts';
import type { CopyWork } from './work.ts';

/** Fills a new cache table from the snapshot and builds its indexes; gives the table as it is then. */
export async function copyWhole(
  stored: StoredTable,
  indexes: WantedIndexes,
  snapshot: Snapshot,
  work: CopyWork,
): Promise<StoredTable> {
  const { sessions, stop, limits, onStep } = work;
  return sessions.use(async ({ client }) => {
    const filled = { stored: { ...stored, copiedAt: snapshot.at }, indexes };
    const rows = await fill(filled.stored, snapshot, client, work);
    if (rows < limits.apartRows) await index(filled, rows, client);
    else {
      await keep(filled.stored, rows, client, work);
      await buildIndexes(filled, client, work);
    }
    await onStep?.('copy:indexes-built');
    return filled.stored;
  }, stop);
}

async function fill(
  stored: StoredTable,
  snapshot: Snapshot,
  client: pg.Client,
  work: CopyWork,
): Promise<number> {
  await begin(client, work.lease, createTableSql(stored));
  // Nobody reads the table before it is ready, so its rows may be frozen from the start: no second write for them later.
  const into = copyIntoSql(stored, { isFrozen: true });
  const rows = await writeRows(await snapshot.copy(columnsToCopy(stored)), into, client, work);
  await work.onStep?.('copy:rows-copied');
  return rows;
}

interface Filled {
  readonly stored: StoredTable & { readonly copiedAt: Snapshot['at'] };
  readonly indexes: WantedIndexes;
}

/** A small table is there with its indexes, or not at all. */
async function index({ stored, indexes }: Filled, rows: number, client: pg.Client): Promise<void> {
  for (const statement of indexSql(stored, indexes, [stored.key])) await makeIndex(client, statement);
  const copiedAt = formatLsn(stored.copiedAt);
  const filled = { state: 'catching-up', rows_copied: rows, copied_at: copiedAt };
  await commit(client, primaryKeySql(stored), updateSql(stored, filled));
}

/**
 * Leaves the table as if it were copied in pieces and all were read: other sessions see it, and a later try continues with
 * its indexes.
 */
async function keep(
  stored: Filled['stored'],
  rows: number,
  client: pg.Client,
  work: CopyWork,
): Promise<void> {
  await savePiece(client, stored, { cursor: { ...NOTHING_LEFT, rows }, at: stored.copiedAt });
  await commit(client);
  work.onKept();
  await work.onStep?.('copy:rows-kept');
}
