/** How a source spells the names that GraphQL makes of its tables: Hasura's naming conventions. */
export interface Spelling {
  /** A column, an argument, an operator or a function: `order_by`, `_is_null`, `stddev_pop`. */
  readonly field: (name: string) => string;
  /** A type made of a scalar: `Int_comparison_exp`. */
  readonly type: (name: string) => string;
  readonly enumValue: (name: string) => string;
  /** The name that root fields begin with. */
  readonly rootBase: (table: BaseName) => string;
  /** A root field's name behind its beginning: `_by_pk`. */
  readonly rootEnding: (ending: string) => string;
  /** The name that the table's types begin with. */
  readonly typeBase: (table: BaseName) => string;
  /** A type of the table, by its ending: `_bool_exp`. */
  readonly derivedType: (table: BaseName, ending: string) => string;
  /** Puts a prefix and a suffix around a name; empty ones are none. */
  readonly wrap: (prefix: string, name: string, suffix: string) => string;
}

/** A table's own name, or the custom name that replaces it; that is never respelled. */
export type BaseName =
  | { readonly kind: 'custom'; readonly name: string }
  | { readonly kind: 'own'; readonly schema: string; readonly name: string };

const plain = (table: BaseName): string => {
  if (table.kind === 'custom' || table.schema === 'public') return table.name;
  return `${table.schema}_${table.name}`;
};
const same = (name: string): string => name;

/** Names as they are in the database, words joined by `_`. */
export const HASURA_DEFAULT: Spelling = {
  field: same,
  type: same,
  enumValue: same,
  rootBase: plain,
  rootEnding: same,
  typeBase: plain,
  derivedType: (table, ending) => `${plain(table)}${ending}`,
  wrap: (prefix, name, suffix) => `${prefix}${name}${suffix}`,
};

/** `camelCase` fields, `PascalCase` types, `UPPER_CASE` values. */
export const GRAPHQL_DEFAULT: Spelling = {
  field: camel,
  type: pascal,
  enumValue: (name) => name.toUpperCase(),
  rootBase: camelBase,
  rootEnding: (ending) => pascal(ending.slice(1)),
  typeBase: pascalBase,
  derivedType: graphqlType,
  wrap: (prefix, name, suffix) => `${prefix}${prefix === '' ? name : upperFirst(name)}${upperFirst(suffix)}`,
};

const PREDICATE = '_aggregate_bool_exp_';

/** Hasura spells the types of compared aggregates as fields, and their functions not at all. */
function graphqlType(table: BaseName, ending: string): string {
  if (!ending.startsWith(PREDICATE)) return `${pascalBase(table)}${pascal(ending.slice(1))}`;
  const [, called = '', args = ''] = /^(.*?)(_arguments)?$/.exec(ending.slice(PREDICATE.length)) ?? [];
  return `${camelBase(table)}AggregateBoolExp${upperFirst(called)}${pascal(args.slice(1))}`;
}

function camelBase(table: BaseName): string {
  if (table.kind === 'custom') return table.name;
  return table.schema === 'public' ? camel(table.name) : `${camel(table.schema)}${pascal(table.name)}`;
}

function pascalBase(table: BaseName): string {
  if (table.kind === 'custom') return table.name;
  return `${table.schema === 'public' ? '' : pascal(table.schema)}${pascal(table.name)}`;
}

function camel(name: string): string {
  const [first = '', ...others] = wordsOf(name);
  return `${lowerFirst(first)}${others.map(upperFirst).join('')}`;
}

function pascal(name: string): string {
  return wordsOf(name).map(upperFirst).join('');
}

/** A leading `_` belongs to the first word. */
function wordsOf(name: string): readonly string[] {
  const words = name.split('_');
  return words[0] === '' && words.length > 1 ? [`_${words[1]}`, ...words.slice(2)] : words;
}

function lowerFirst(word: string): string {
  return `${word.slice(0, 1).toLowerCase()}${word.slice(1)}`;
}

function upperFirst(word: string): string {
  return `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`;
}
