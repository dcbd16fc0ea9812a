import type { KeyPart } from './key-part.ts';

/**
 * What a table on a target is made of, as far as no change event tells of it: rows come and go with a partition, and
 * change with a rewrite, without a word in the stream. Plain data, kept beside each copy and compared with what is there.
 */
export interface TableShape {
  /** The publication and the table's entry in it; one made again has missed what was written in between. */
  readonly publication: string | null;
  /** The relation itself: a table made again under the same name is another. */
  readonly relation: number;
  /** The number of each column: one made again under the same name is another. */
  readonly columns: Readonly<Record<string, number>>;
  /** Which transaction last wrote the definition of each column. */
  readonly written: Readonly<Record<string, string>>;
  readonly isPartitioned: boolean;
  /** The files of the table or its partitions: replaced by a rewrite, and by a truncate. */
  readonly files: Readonly<Record<string, number>>;
  /** Labels of the enums its columns are made of: renaming one changes the text of rows. */
  readonly labels: Readonly<Record<string, string>>;
  /** Attributes of the composite types its columns are made of: adding one changes the text of rows. */
  readonly composites: Readonly<Record<string, string>>;
  /**
   * Which transaction attached each partition and wrote each label: what was otherwise for a moment looks as before, and its
   * changes of that moment are missing or have another text. Left out of shapes that an earlier nearjoin noted.
   */
  readonly versions?: Readonly<Record<string, string>>;
  /** The keys that rows of a partition can have, where that is known; left out as `versions` is. */
  readonly keys?: Readonly<Record<string, KeyPart>>;
  /** Keys that no partition claims by its bound, at least; null when that may be any key. Left out as `versions` is. */
  readonly unclaimed?: readonly KeyPart[] | null;
}
