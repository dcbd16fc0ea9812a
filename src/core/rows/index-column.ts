/** One column of an index, in its place. */
export interface IndexColumn {
  readonly name: string;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
  /** Set in an index of this column alone that finds values by where they lie (GiST), for a type of an extension. */
  readonly spatial?: true;
}
