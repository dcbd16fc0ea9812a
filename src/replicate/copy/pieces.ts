import type pg from 'pg';
import { inCache } from '../../cache/names.ts';
import { dedupeSql } from '../../cache/rows/overlay.ts';
import { overlayPages } from '../../cache/rows/overlay-size.ts';
import { hasKey, type WantedIndexes } from '../../cache/table/ddl.ts';
import { isTruncated, type StoredTable, updateSql } from '../../cache/table/stored.ts';
import { must } from '../../core/assert.ts';
import { type Lsn, maxLsn } from '../../core/position/lsn.ts';
import type { CopyLimits } from '../feed-options.ts';
import { buildIndexes, INDEXING } from './indexes.ts';
import { PieceReading } from './piece-reading.ts';
import { begin, commit } from './transaction.ts';
import type { CopyWork } from './work.ts';

/** A large table's copy: begun now, or by an earlier process. */
export interface LargeCopy {
  readonly stored: StoredTable;
  readonly indexes: WantedIndexes;
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
    const { pieceBytes } = copySizes(work.limits);
    const copiedAt = await new PieceReading({ ...large, pieceBytes }, work).run(client);
    await work.onStep?.('pieces:all-read');
    // The changes that explain why a key is there twice must be in the overlay.
    const until = maxLsn(copiedAt, await work.connector.position());
    await work.applied(until, work.stop);
    await work.building.take(() => indexPieces(large, client, work), work.stop);
    return { ...large.stored, copiedAt };
  }, work.stop);
}

async function indexPieces({ stored, indexes }: LargeCopy, client: pg.Client, work: CopyWork): Promise<void> {
  const overlay = { shape: stored, relation: must(stored.overlay, 'an overlay'), isCopyComplete: false };
  if (!hasKey(stored, stored.indexes)) {
    await begin(client, work.lease);
    await commit(client, updateSql(stored, { reason: INDEXING }));
    await begin(client, work.lease);
    if ((await overlayPages(client, overlay.relation)) !== null) await client.query(dedupeSql(overlay));
    // Looked at last: a truncation that took the keys out of the overlay makes the copy worthless as well.
    if (await isTruncated(client, stored)) await client.query(`truncate ${inCache(stored.relation)}`);
    await commit(client);
    await work.onStep?.('pieces:deduplicated');
  }
  await buildIndexes({ stored, indexes }, client, work);
}
