import { type Cell, UNCHANGED } from '../core/change.ts';
import { arrayLiteral } from './array-literal.ts';
import type { CacheShape } from './ddl.ts';

/** One statement of a write: the same text comes again and again, so it is worth preparing. */
export interface WriteStatement {
  readonly text: string;
  readonly values: readonly (string | null)[];
  /** The rows it must touch; another number means that the copy differs from the target. */
  readonly expected: number | null;
}

/** A row's cells in the order of the shape's columns. */
export type CellRow = readonly Cell[];

/** What can be written to a cache table, or to the overlay that stands in for it during a copy. */
export interface RowWriter {
  /** Whole rows: inserted, or put in the place of the row with their key. */
  upsert(rows: readonly CellRow[]): WriteStatement;
  /** Rows by their key: only the key's cells are looked at. */
  remove(rows: readonly CellRow[]): WriteStatement;
  /** Rows of which the columns at `missing` were not sent. */
  partial(rows: readonly CellRow[], missing: readonly number[]): WriteStatement;
  /** One row whose key changes while some columns were not sent. */
  rekey(before: CellRow, after: CellRow): readonly WriteStatement[];
  /** All rows go. */
  clear(): WriteStatement;
}

/** Where the key's columns stand among the shape's. */
export function keyPositions({ columns, key }: Pick<CacheShape, 'columns' | 'key'>): readonly number[] {
  return columns.flatMap(({ name }, index) => (key.includes(name) ? [index] : []));
}

/** The positions of cells the target did not send. */
export function missingPositions(row: CellRow): readonly number[] {
  return row.flatMap((cell, index) => (cell === UNCHANGED ? [index] : []));
}

/** The text of a cell that must have been sent. */
export function sent(cell: Cell | undefined): string | null {
  if (cell === UNCHANGED || cell === undefined) throw new Error('bug: a value that was not sent is written');
  return cell;
}

/** `unnest(…) as u (c1, c3 …)` over one array parameter for each of the columns at `positions`. */
export function rowsFrom({ columns }: CacheShape, positions: readonly number[]): string {
  const arrays = positions.map(
    (at, index) => `$${index + 1}::${parameterType(columns[at]?.type ?? 'text')}[]`,
  );
  return `unnest(${arrays.join(', ')}) as u (${positions.map((at) => `c${at + 1}`).join(', ')})`;
}

/** The columns of `rowsFrom`, as expressions of their own types. */
export function picked({ columns }: CacheShape, positions: readonly number[]): readonly string[] {
  return positions.map((at) => {
    const type = columns[at]?.type ?? 'text';
    return parameterType(type) === type ? `u.c${at + 1}` : `u.c${at + 1}::${type}`;
  });
}

/** The parameters of `rowsFrom`. */
export function columnArrays(rows: readonly CellRow[], positions: readonly number[]): readonly string[] {
  return positions.map((at) => arrayLiteral(rows.map((row) => sent(row[at]))));
}

/** A single value's parameter, read by its type's own input function. */
export function valueAs(shape: CacheShape, at: number, parameter: number): string {
  return `$${parameter}::${shape.columns[at]?.type ?? 'text'}`;
}

/** Arrays would be flattened by unnest, and box[] is split at another character: both travel as text. */
function parameterType(type: string): string {
  return type.endsWith(']') || type === 'box' || type.endsWith('vector') ? 'text' : type;
}
