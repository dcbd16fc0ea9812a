import type { Column, FunctionCall, JoinPair } from '../catalog/catalog.ts';

/** A call whose rows are like those of a table. */
export interface RowsCall extends FunctionCall {
  /** It answers any number of rows; else one, or none when all its columns are null. */
  readonly set: boolean;
  /** The place whose row the call is about; left out where it is about none. */
  readonly row?: number;
  /** What is fetched along with its rows; left out where they are never fetched. */
  readonly told?: Told;
}

/** Tells which row the rows of a call belong to, and their order. */
export interface Told {
  /**
   * Left, the identity of the row that the call is about; right, the same beside each row of the answer. For a native query,
   * the columns that join its rows.
   */
  readonly on: readonly JoinPair[];
  readonly number: Column;
}
