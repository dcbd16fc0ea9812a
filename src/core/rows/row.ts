import { NearjoinError } from '../errors.ts';

/** Stands for a large value the target did not send because the update left it alone; never the same as null. */
export const UNCHANGED: unique symbol = Symbol('unchanged');

/** One value in Postgres' text form, exactly as the target printed it. */
export type Cell = string | null | typeof UNCHANGED;

/** Takes cells one after the other in the form they are at hand. */
export interface CellSink {
  /** A value as UTF-8: the bytes from `start` up to `end`. */
  bytes(from: Uint8Array, start: number, end: number): void;
  text(value: string): void;
  null(): void;
}

/** A row as the target sent it. Cells stay in the form they arrived in until somebody looks at them: most pass through. */
export interface Row {
  readonly width: number;
  /** No cell is UNCHANGED. */
  readonly isWhole: boolean;
  /** How much memory it holds, roughly. */
  readonly bytes: number;
  cell(at: number): Cell;
  /** Whether the cell was sent. */
  has(at: number): boolean;
  /** Hands the cell to the sink; it must have been sent. */
  give(at: number, sink: CellSink): void;
}

/** A row of cells that are at hand, as texts or as the bytes of texts. */
export function rowOf(cells: readonly (Cell | Buffer)[]): Row {
  return new ListRow(cells);
}

/** The cells of a row at these places; a place outside the row is null. */
export function picked(row: Row, places: readonly number[]): Row {
  const parts = places.map((place) => (place >= 0 && place < row.width ? partOf(row, place) : NOTHING));
  return new ComposedRow(parts);
}

/** The row with the cells it lacks taken from the other one, as far as they are among the positions. */
export function completed(row: Row, other: Row, positions: readonly number[] | null = null): Row {
  if (row.isWhole) return row;
  const parts = Array.from({ length: row.width }, (_, at) => {
    const fromOther = !row.has(at) && at < other.width && (positions === null || positions.includes(at));
    return partOf(fromOther ? other : row, at);
  });
  return new ComposedRow(parts);
}

/** The new row with what the old one has of it: a value that was not sent is never null, so a null there only says that it was not sent either. */
export function filled(after: Row, before: Row): Row {
  if (after.isWhole) return after;
  const places = Array.from({ length: after.width }, (_, at) => at);
  const known = places.filter((at) => !after.has(at) && before.cell(at) !== null);
  return completed(after, before, known);
}

class ListRow implements Row {
  readonly #cells: readonly (Cell | Buffer)[];

  constructor(cells: readonly (Cell | Buffer)[]) {
    this.#cells = cells;
  }

  get width(): number {
    return this.#cells.length;
  }

  get isWhole(): boolean {
    return !this.#cells.includes(UNCHANGED);
  }

  get bytes(): number {
    return this.#cells.reduce<number>(
      (sum, cell) => sum + (cell === null || cell === UNCHANGED ? 0 : cell.length),
      64,
    );
  }

  cell(at: number): Cell {
    const cell = this.#cells[at] ?? null;
    return Buffer.isBuffer(cell) ? textOf(cell) : cell;
  }

  has(at: number): boolean {
    return this.#cells[at] !== UNCHANGED;
  }

  give(at: number, sink: CellSink): void {
    const cell = this.#cells[at] ?? null;
    if (cell === UNCHANGED) throw notSent();
    if (cell === null) sink.null();
    else if (typeof cell === 'string') sink.text(cell);
    else sink.bytes(cell, 0, cell.length);
  }
}

function textOf(bytes: Buffer): string {
  try {
    return bytes.toString('utf8');
  } catch (error) {
    const said = `a value of ${bytes.length} bytes is too large to be written where rows cannot be staged`;
    const needs = 'the source must be Postgres 15 or newer, and let the role make temporary tables';
    throw new NearjoinError('not-supported', `${said}: ${needs}`, { cause: error });
  }
}

interface Part {
  readonly row: Row;
  readonly at: number;
}

const NOTHING: Part = { row: new ListRow([null]), at: 0 };

/** Made of cells of other rows; never of other composed ones, so that a row changed a thousand times is not a chain. */
class ComposedRow implements Row {
  readonly parts: readonly Part[];
  readonly isWhole: boolean;

  constructor(parts: readonly Part[]) {
    this.parts = parts;
    this.isWhole = parts.every(({ row, at }) => row.has(at));
  }

  get width(): number {
    return this.parts.length;
  }

  get bytes(): number {
    return [...new Set(this.parts.map(({ row }) => row))].reduce((sum, row) => sum + row.bytes, 64);
  }

  cell(at: number): Cell {
    const part = this.parts[at] ?? NOTHING;
    return part.row.cell(part.at);
  }

  has(at: number): boolean {
    const part = this.parts[at] ?? NOTHING;
    return part.row.has(part.at);
  }

  give(at: number, sink: CellSink): void {
    const part = this.parts[at] ?? NOTHING;
    part.row.give(part.at, sink);
  }
}

function partOf(row: Row, at: number): Part {
  return row instanceof ComposedRow ? (row.parts[at] ?? NOTHING) : { row, at };
}

/** A cell that was left out is asked for: a mistake of ours. */
export function notSent(): Error {
  return new Error('bug: a value that was not sent is written');
}
