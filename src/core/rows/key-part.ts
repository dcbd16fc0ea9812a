import { must } from '../assert.ts';
import { quoteIdentifier } from '../postgres/quote-identifier.ts';

/** A column of a table's key. */
export interface KeyColumn {
  readonly name: string;
  /** Its type on the target, or what its domain is over: one of `KEY_TYPES`, or an enum. */
  readonly type: number;
  /** Left out where it has none. */
  readonly domain?: number;
  readonly isEnum: boolean;
}

/** A place between rows in the order of a key: before or after all whose first columns have these values. */
export interface KeyPlace {
  readonly values: readonly string[];
  readonly isAfter: boolean;
}

/** What a row's key is asked. */
export type KeyTest =
  /** Lies it between two places, or outside of them? Null stands for the beginning or the end of all. */
  | {
      readonly kind: 'between';
      readonly columns: readonly KeyColumn[];
      readonly from: KeyPlace | null;
      readonly to: KeyPlace | null;
      readonly isNot: boolean;
    }
  /** Has its only column one of the values, or none of them? */
  | {
      readonly kind: 'one-of';
      readonly columns: readonly KeyColumn[];
      readonly values: readonly string[];
      readonly isNot: boolean;
    };

/** A part of a table: the rows that pass all of the tests. */
export type KeyPart = readonly KeyTest[];

/** Parts by the partitions they are of, with all keys that those could hold at one time or another. */
export type PartsOf = Readonly<Record<string, readonly KeyPart[]>>;

/** Types by their numbers whose values compare alike on every server; texts only as equal or not. */
export const KEY_TYPES: ReadonlyMap<number, string> = new Map([
  [16, 'boolean'],
  [20, 'bigint'],
  [21, 'smallint'],
  [23, 'integer'],
  [25, 'text'],
  [1042, 'bpchar'],
  [1043, 'varchar'],
  [1082, 'date'],
  [1114, 'timestamp'],
  [1184, 'timestamptz'],
  [1700, 'numeric'],
  [2950, 'uuid'],
]);

/** The condition that a row lies in one of the parts: the same text on every server, whose settings are a session's of ours. */
export function inOneOf(parts: readonly KeyPart[]): string {
  const conditions = new Set(parts.map((part) => `(${part.map(passes).join(' and ')})`));
  return [...conditions].join(' or ');
}

function passes(test: KeyTest): string {
  if (test.kind === 'one-of') {
    const column = must(test.columns[0], 'the column of a list');
    const values = test.values.map((value) => literal(column, value)).join(', ');
    return `${quoteIdentifier(column.name)} ${test.isNot ? 'not in' : 'in'} (${values})`;
  }
  const conditions = between(test).join(' and ');
  return test.isNot ? `not (${conditions})` : conditions;
}

/** What both ends have in common is said as such: of rows of columns alone no partitions are found. */
function between({ columns, from, to }: KeyTest & { readonly kind: 'between' }): readonly string[] {
  const [first, ...others] = columns;
  const shared = from?.values[0];
  if (first !== undefined && shared !== undefined && shared === to?.values[0]) {
    const rest = { columns: others, from: behindFirst(from), to: behindFirst(to) };
    return [
      `${quoteIdentifier(first.name)} = ${literal(first, shared)}`,
      ...between({ kind: 'between', isNot: false, ...rest }),
    ];
  }
  return [
    ...(from === null ? [] : compared(columns, from, from.isAfter ? '>' : '>=')),
    ...(to === null ? [] : compared(columns, to, to.isAfter ? '<=' : '<')),
  ];
}

function behindFirst(place: KeyPlace | null): KeyPlace | null {
  return place === null || place.values.length < 2 ? null : { ...place, values: place.values.slice(1) };
}

function compared(
  columns: readonly KeyColumn[],
  { values }: KeyPlace,
  operator: '<' | '<=' | '>' | '>=',
): readonly string[] {
  const names = columns.slice(0, values.length).map(({ name }) => quoteIdentifier(name));
  const literals = values.map((value, at) => literal(must(columns[at], 'a column of a range'), value));
  const whole = `(${names.join(', ')}) ${operator} (${literals.join(', ')})`;
  return names.length === 1 ? [whole] : [`${names[0]} ${operator[0]}= ${literals[0]}`, whole];
}

/** A label is one of its enum where there is that, and elsewhere a text. */
function literal({ type, isEnum }: KeyColumn, value: string): string {
  const text = `'${value.replaceAll("'", "''")}'`;
  return isEnum ? text : `${text}::${must(KEY_TYPES.get(type), 'a type that compares alike everywhere')}`;
}
