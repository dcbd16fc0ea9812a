/** How far a table is read piece by piece; plain data, kept across restarts. */
export interface PieceCursor {
  /** Which files the table consisted of when its first piece was read. */
  readonly files: string;
  /** Pages before this one were read. */
  readonly next: number;
  /** Pages from this one on came after the first piece. */
  readonly end: number;
}

/** Of a table that has nothing more to read. */
export const NOTHING_LEFT: PieceCursor = { files: '', next: 0, end: 0 };

/** A cursor with the number of rows that were read up to it. */
export interface CountedCursor extends PieceCursor {
  readonly rows: number;
}
