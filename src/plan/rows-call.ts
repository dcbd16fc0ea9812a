import type { FunctionCall } from '../catalog/catalog.ts';

/** A call whose rows are like those of a table. */
export interface RowsCall extends FunctionCall {
  /** Any number of rows; else one, or none where all it holds is null. */
  readonly set: boolean;
  /** The place whose row the call is about; left out where it is about none. */
  readonly row?: number;
}
