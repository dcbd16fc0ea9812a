import type { Column, FunctionCall, JoinPair } from '../catalog/catalog.ts';

/** A call whose rows are like those of a table. */
export interface RowsCall extends FunctionCall {
  /** Any number of rows; else one, or none where all it holds is null. */
  readonly set: boolean;
  /** The place whose row the call is about; left out where it is about none. */
  readonly row?: number;
  /** What comes with its rows where these are fetched; left out where they never are. */
  readonly told?: Told;
}

/** Whose rows they are, and in which order. */
export interface Told {
  /** What tells the row that the call is about from others, and the same beside each row of the answer; of a native query what its rows are joined by. */
  readonly on: readonly JoinPair[];
  readonly number: Column;
}
