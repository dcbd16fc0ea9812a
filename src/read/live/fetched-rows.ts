import type { LeafColumn } from '../../sql/place/leaf.ts';

/** Rows of one place of a plan: an array literal per column, never parsed. */
export interface FetchedRows {
  readonly columns: readonly LeafColumn[];
  readonly count: number;
  readonly arrays: readonly string[];
  /** They satisfy the place's own filter already. */
  readonly filtered: boolean;
}

/** Joins array literals of one column. */
export function joinArrays(literals: readonly (string | null)[]): string {
  const inner = literals.flatMap((literal) =>
    literal === null || literal === '{}' ? [] : [literal.slice(1, -1)],
  );
  return `{${inner.join(',')}}`;
}

/** No rows. */
export function noRows(columns: readonly LeafColumn[], filtered: boolean): FetchedRows {
  return { columns, count: 0, arrays: columns.map(() => '{}'), filtered };
}
