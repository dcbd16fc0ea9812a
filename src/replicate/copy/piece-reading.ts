import type pg from 'pg';
import type { Piece, Snapshot } from '../../../connectors/connector.ts';
import { isTruncated, type StoredTable, savePiece } from '../../cache/table/stored.ts';
import { must } from '../../core/assert.ts';
import { type Lsn, maxLsn } from '../../core/position/lsn.ts';
import { type CountedCursor, NOTHING_LEFT, type PieceCursor } from '../../core/rows/piece-cursor.ts';
import { columnsToCopy, copyIntoSql } from './format.ts';
import { writeRows } from './rows.ts';
import type { HeldSnapshot } from './snapshots.ts';
import { begin, commit } from './transaction.ts';
import { holdSnapshot } from './waiting.ts';
import { CopySpoilt, type CopyWork } from './work.ts';

/** What remains of a large table. */
export interface ToRead {
  readonly stored: StoredTable;
  /** Every change after this position is in the overlay. */
  readonly since: Lsn;
  readonly pieceBytes: number;
}

const NOTHING_MORE = new Error('all pieces are taken');

/**
 * Reads the pieces of a large table, each written with its progress in one transaction. Writing keeps a core busy, so there may
 * be as many readers as tables may be read at once; their pieces are committed in the order of the pages.
 */
export class PieceReading {
  readonly #table: ToRead;
  readonly #work: CopyWork;
  readonly #over = new AbortController();
  /** Where the next piece begins. */
  #next: Promise<PieceCursor | null>;
  /** Settles when the pieces that were taken are committed. */
  #taken: Promise<void> = Promise.resolve();
  #kept: { readonly cursor: CountedCursor | null; readonly at: Lsn | null };

  constructor(table: ToRead, work: CopyWork) {
    const { cursor, copiedAt: at } = table.stored;
    this.#table = table;
    this.#work = work;
    this.#next = Promise.resolve(cursor);
    this.#kept = { cursor, at };
  }

  /** Reads to the end, one reader over this session; gives the position of the newest snapshot. */
  async run(client: pg.Client): Promise<Lsn> {
    const { sessions, parallel, stop } = this.#work;
    const readers = [this.#reader(client)];
    while (readers.length < parallel) readers.push(sessions.use((other) => this.#reader(other.client), stop));
    for (const reader of await Promise.allSettled(readers))
      if (reader.status === 'rejected') throw reader.reason;
    return must(this.#kept.at, 'the position of a copy');
  }

  async #reader(client: pg.Client): Promise<void> {
    const { reading, stop } = this.#work;
    // Else the end would wait for the turn, or the snapshot, of a reader that has nothing to read.
    const until = AbortSignal.any([stop, this.#over.signal]);
    let held: HeldSnapshot | null = null;
    try {
      for (;;)
        await reading.take(async () => {
          mustBeLeft(await this.#next);
          if (held?.isOld === true) await held.release().finally(() => (held = null));
          held ??= await holdSnapshot(this.#work, this.#table, until);
          await this.#readNext(held.snapshot, client);
        }, until);
    } catch (error) {
      this.#over.abort(error);
      if (error !== NOTHING_MORE) throw error;
    } finally {
      await (held as HeldSnapshot | null)?.release();
    }
  }

  async #readNext(snapshot: Snapshot, client: pg.Client): Promise<void> {
    const before = this.#taken;
    const taking = this.#next.then((cursor) => this.#take(cursor, snapshot));
    this.#next = taking.then((piece) => piece?.cursor ?? NOTHING_LEFT);
    this.#next.catch(() => undefined); // it fails as the other does
    this.#taken = taking.then((piece) => this.#keep(piece, { snapshot, before }, client));
    await this.#taken;
  }

  #take(cursor: PieceCursor | null, snapshot: Snapshot): Promise<Piece | null> {
    mustBeLeft(cursor);
    return snapshot.piece(columnsToCopy(this.#table.stored), cursor, this.#table.pieceBytes);
  }

  async #keep(
    piece: Piece | null,
    { snapshot, before }: { readonly snapshot: Snapshot; readonly before: Promise<void> },
    client: pg.Client,
  ): Promise<void> {
    const { onStep } = this.#work;
    const rows = await this.#write(piece, client);
    await before;
    const cursor = { ...(piece?.cursor ?? NOTHING_LEFT), rows: (this.#kept.cursor?.rows ?? 0) + rows };
    const kept = { cursor, at: maxLsn(this.#kept.at ?? snapshot.at, snapshot.at) };
    const { truncated } = await savePiece(client, this.#table.stored, kept);
    await onStep?.('pieces:read-uncommitted');
    await commit(client);
    this.#kept = kept;
    await onStep?.('pieces:read');
    // What is in the table now came later, and reaches the overlay through the stream.
    if (truncated) this.#over.abort(NOTHING_MORE);
  }

  async #write(piece: Piece | null, client: pg.Client): Promise<number> {
    const { stored } = this.#table;
    await begin(client, this.#work.lease);
    if (piece !== null)
      return writeRows(piece.rows, copyIntoSql(stored, { isFrozen: false }), client, this.#work);
    await this.#mustBeTruncated(client);
    return 0;
  }

  /** When a table's files were replaced, the copy can be continued only if the table was truncated, which the stream tells. */
  async #mustBeTruncated(client: pg.Client): Promise<void> {
    const { applied, connector, stop } = this.#work;
    await applied(await connector.position(), stop);
    stop.throwIfAborted();
    if (await isTruncated(client, this.#table.stored)) return;
    throw new CopySpoilt('the table was rewritten on the target while it was copied');
  }
}

function mustBeLeft(cursor: PieceCursor | null): void {
  if (cursor !== null && cursor.next >= cursor.end) throw NOTHING_MORE;
}
