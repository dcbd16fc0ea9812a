import type pg from 'pg';
import { hasKey, type IndexWishes } from '../cache/ddl.ts';
import { inCache } from '../cache/names.ts';
import { dedupeSql } from '../cache/overlay.ts';
import { isTruncated, type StoredTable, savePiece, updateSql } from '../cache/stored-table.ts';
import { must } from '../core/assert.ts';
import { type Lsn, maxLsn } from '../core/lsn.ts';
import { type CountedCursor, NOTHING_LEFT } from '../core/piece-cursor.ts';
import { columnsToCopy, copyIntoSql } from './copy-format.ts';
import { buildIndexes, INDEXING } from './copy-indexes.ts';
import { writeRows } from './copy-rows.ts';
import { begin, CopySpoilt, type CopyWork, commit, holdSnapshot, overlayPages } from './copy-work.ts';
import type { CopyLimits } from './feed-options.ts';
import type { HeldSnapshot } from './snapshots.ts';

/** A large table's copy: begun now, or by an earlier process. */
export interface LargeCopy {
  readonly stored: StoredTable;
  readonly indexes: IndexWishes;
  /** Every change after this position is in the overlay. */
  readonly since: Lsn;
}

/** Sizes that fit the pace: neither a small table nor one piece should take longer than a snapshot may be used. */
export function copySizes({ wholeBytes, pieceBytes, snapshotMs, bytesPerS }: CopyLimits): {
  readonly wholeBytes: number;
  readonly pieceBytes: number;
} {
  const possible = bytesPerS === null ? Number.POSITIVE_INFINITY : (bytesPerS * snapshotMs) / 1000;
  return { wholeBytes: Math.min(wholeBytes, possible), pieceBytes: Math.min(pieceBytes, possible) };
}

/**
 * Reads what remains of a large table, piece by piece, each with its progress in one transaction, and builds the
 * indexes. A key that does not change after `since` is read exactly once; all others are in the overlay.
 */
export async function copyPieces(large: LargeCopy, work: CopyWork): Promise<StoredTable> {
  return work.sessions.use(async ({ client }) => {
    const copiedAt = await readPieces(large, client, work);
    await work.onStep?.('pieces:all-read');
    // The changes that explain why a key is there twice must be in the overlay.
    const until = maxLsn(copiedAt, await work.connector.position());
    await work.applied(until, work.stop);
    await work.building.take(() => indexPieces(large, client, work), work.stop);
    return { ...large.stored, copiedAt };
  }, work.stop);
}

async function readPieces({ stored, since }: LargeCopy, client: pg.Client, work: CopyWork): Promise<Lsn> {
  let { cursor, copiedAt } = stored;
  let held: HeldSnapshot | null = null;
  try {
    while (cursor === null || cursor.next < cursor.end) {
      const read = await work.reading.take(async () => {
        if (held?.isOld === true) await held.release().finally(() => (held = null));
        held ??= await holdSnapshot(work, { stored, since }, work.stop);
        return await readPiece({ stored, cursor, held }, client, work);
      }, work.stop);
      copiedAt = read.at;
      cursor = read.cursor;
    }
  } finally {
    await (held as HeldSnapshot | null)?.release();
  }
  return must(copiedAt, 'the position of a copy');
}

interface NextPiece {
  readonly stored: StoredTable;
  readonly cursor: CountedCursor | null;
  readonly held: HeldSnapshot;
}

async function readPiece(
  { stored, cursor, held: { snapshot } }: NextPiece,
  client: pg.Client,
  work: CopyWork,
): Promise<{ readonly cursor: CountedCursor; readonly at: Lsn }> {
  const from = columnsToCopy(stored);
  const { pieceBytes } = copySizes(work.limits);
  await begin(client, work.lease);
  const piece = await snapshot.piece(from, cursor, pieceBytes);
  if (piece === null) await mustBeTruncated(stored, client, work);
  const into = copyIntoSql(stored, { isFrozen: false });
  const rows = piece === null ? 0 : await writeRows(piece.rows, into, client, work);
  const counted = { ...(piece?.cursor ?? NOTHING_LEFT), rows: (cursor?.rows ?? 0) + rows };
  const { truncated } = await savePiece(client, stored, { cursor: counted, at: snapshot.at });
  await work.onStep?.('pieces:read-uncommitted');
  await commit(client);
  await work.onStep?.('pieces:read');
  // After a truncation whatever is in the table came later, and with the stream into the overlay.
  return { cursor: truncated ? { ...counted, ...NOTHING_LEFT } : counted, at: snapshot.at };
}

/** A table whose files were replaced is worth going on with only when it was emptied, which the stream will have told. */
async function mustBeTruncated(stored: StoredTable, client: pg.Client, work: CopyWork): Promise<void> {
  await work.applied(await work.connector.position(), work.stop);
  work.stop.throwIfAborted();
  if (await isTruncated(client, stored)) return;
  throw new CopySpoilt('the table was rewritten on the target while it was copied');
}

async function indexPieces({ stored, indexes }: LargeCopy, client: pg.Client, work: CopyWork): Promise<void> {
  const overlay = { shape: stored, relation: must(stored.overlay, 'an overlay'), isSettled: false };
  if (!hasKey(stored, stored.indexes)) {
    await begin(client, work.lease);
    await commit(client, updateSql(stored, { reason: INDEXING }));
    await begin(client, work.lease);
    if ((await overlayPages(client, overlay)) !== null) await client.query(dedupeSql(overlay));
    // Looked at last: a truncation that took the keys out of the overlay makes the copy worthless as well.
    if (await isTruncated(client, stored)) await client.query(`truncate ${inCache(stored.relation)}`);
    await commit(client);
    await work.onStep?.('pieces:deduplicated');
  }
  await buildIndexes({ stored, indexes }, client, work);
}
