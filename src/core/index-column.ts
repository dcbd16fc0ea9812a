/** One column of an index, in its place. */
export interface IndexColumn {
  readonly name: string;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}
