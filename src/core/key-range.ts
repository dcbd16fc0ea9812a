import { must } from './assert.ts';

/** Values of one column of a table's key; all that is null says nothing. */
export interface KeyRange {
  readonly column: string;
  /** The column's type on the target, one of `RANGE_TYPES`. */
  readonly type: number;
  readonly from: string | null;
  readonly to: string | null;
  /** `to` belongs to it; `from` always does. */
  readonly isToIncluded: boolean;
  /** In place of `from` and `to`: these and no others. */
  readonly values: readonly string[] | null;
}

/** A part of a table: the rows that lie in all of the ranges. */
export type KeyPart = readonly KeyRange[];

/** Types by their numbers whose values compare alike on every server; `text` only as equal or not. */
export const RANGE_TYPES: ReadonlyMap<number, string> = new Map([
  [20, 'bigint'],
  [21, 'smallint'],
  [23, 'integer'],
  [1700, 'numeric'],
  [1082, 'date'],
  [1114, 'timestamp'],
  [1184, 'timestamptz'],
  [2950, 'uuid'],
  [25, 'text'],
  [1043, 'varchar'],
]);

/** The condition that a row lies in one of the parts: the same text on every server, whose settings are a session's of ours. */
export function inOneOf(parts: readonly KeyPart[]): string {
  return parts.map((part) => `(${part.map(within).join(' and ')})`).join(' or ');
}

function within({ column, type, from, to, isToIncluded, values }: KeyRange): string {
  const name = `"${column.replaceAll('"', '""')}"`;
  const as = must(RANGE_TYPES.get(type), 'a type that compares alike everywhere');
  const literal = (value: string): string => `'${value.replaceAll("'", "''")}'::${as}`;
  if (values !== null) return `${name} in (${values.map(literal).join(', ')})`;
  return [
    ...(from === null ? [] : [`${name} >= ${literal(from)}`]),
    ...(to === null ? [] : [`${name} ${isToIncluded ? '<=' : '<'} ${literal(to)}`]),
  ].join(' and ');
}
