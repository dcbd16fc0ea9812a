import type { Cell, Row } from '../../src/core/rows/row.ts';

/** All cells of a row. */
export function cellsOf(row: Row): readonly Cell[] {
  return Array.from({ length: row.width }, (_, at) => row.cell(at));
}
