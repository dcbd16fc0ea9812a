import type { Column, ColumnType } from '../catalog.ts';
import { siblingType, TEXT } from './built-in-types.ts';
import { SPATIAL_OPERATORS, type SpatialOperator } from './spatial-operators.ts';

/** Hasura's operators without the leading underscore. `eq`…`lte` of column comparisons (`_ceq`) are the same ones. */
export type Operator =
  | 'eq'
  | 'neq'
  | 'gt'
  | 'lt'
  | 'gte'
  | 'lte'
  | 'in'
  | 'nin'
  | 'like'
  | 'nlike'
  | 'ilike'
  | 'nilike'
  | 'similar'
  | 'nsimilar'
  | 'regex'
  | 'nregex'
  | 'iregex'
  | 'niregex'
  | 'contains'
  | 'contained_in'
  | 'has_key'
  | 'has_keys_any'
  | 'has_keys_all'
  | 'jsonb_path_exists'
  | 'jsonb_path_match'
  | 'ancestor'
  | 'ancestor_any'
  | 'descendant'
  | 'descendant_any'
  | 'matches'
  | 'matches_any'
  | 'matches_fulltext'
  | SpatialOperator;

/** How the right side of an operator is typed, relative to the column. */
export type OperandShape =
  /** The column's own type. */
  | 'same'
  /** A list of the column's type. */
  | 'list'
  /** A text, under the column type's name in GraphQL. */
  | 'pattern'
  | 'text'
  | 'text-list'
  | 'lquery'
  | 'lquery-list'
  | 'ltxtquery'
  | 'jsonpath';

const COMPARISONS: readonly Operator[] = ['eq', 'neq', 'gt', 'gte', 'lt', 'lte', 'in', 'nin'];
const EQUALITIES: readonly Operator[] = ['eq', 'neq', 'in', 'nin'];
const TEXT_OPERATORS: readonly Operator[] = [
  'like',
  'nlike',
  'ilike',
  'nilike',
  'similar',
  'nsimilar',
  'regex',
  'nregex',
  'iregex',
  'niregex',
];
/** The operators of `jsonb` columns. */
export const JSONB_OPERATORS: readonly Operator[] = [
  'contains',
  'contained_in',
  'has_key',
  'has_keys_any',
  'has_keys_all',
  'jsonb_path_exists',
  'jsonb_path_match',
];
const ARRAY: readonly Operator[] = ['contains', 'contained_in'];
/** The operators of `ltree` columns. */
export const LTREE_OPERATORS: readonly Operator[] = [
  'ancestor',
  'ancestor_any',
  'descendant',
  'descendant_any',
  'matches',
  'matches_any',
  'matches_fulltext',
];
const TEXT_TYPES: ReadonlySet<string> = new Set(['text', 'varchar', 'bpchar', 'citext', 'name', 'char']);

const SHAPES: Partial<Record<Operator, OperandShape>> = {
  in: 'list',
  nin: 'list',
  like: 'pattern',
  nlike: 'pattern',
  ilike: 'pattern',
  nilike: 'pattern',
  similar: 'pattern',
  nsimilar: 'pattern',
  regex: 'pattern',
  nregex: 'pattern',
  iregex: 'pattern',
  niregex: 'pattern',
  has_key: 'text',
  has_keys_any: 'text-list',
  has_keys_all: 'text-list',
  ancestor_any: 'list',
  descendant_any: 'list',
  matches: 'lquery',
  matches_any: 'lquery-list',
  matches_fulltext: 'ltxtquery',
  jsonb_path_exists: 'jsonpath',
  jsonb_path_match: 'jsonpath',
};

/** The language of an operand that Postgres reads only when it compares a row. */
export type Pattern = 'like' | 'similar' | 'regex' | 'jsonpath';

const PATTERNS: Partial<Record<Operator, Pattern>> = {
  like: 'like',
  nlike: 'like',
  ilike: 'like',
  nilike: 'like',
  similar: 'similar',
  nsimilar: 'similar',
  regex: 'regex',
  nregex: 'regex',
  iregex: 'regex',
  niregex: 'regex',
  jsonb_path_exists: 'jsonpath',
  jsonb_path_match: 'jsonpath',
};

/** The language of an operator's right side; null where its type says all. */
export function patternOf(operator: Operator): Pattern | null {
  return PATTERNS[operator] ?? null;
}

/** The operators of a column type in GraphQL (`_eq` …), `_is_null` and `_cast` aside. */
export function operatorsOf(type: ColumnType): readonly Operator[] {
  if (type.kind === 'array') return [...COMPARISONS, ...ARRAY];
  const name = baseType(type).name;
  if (TEXT_TYPES.has(name)) return [...COMPARISONS, ...TEXT_OPERATORS];
  if (name === 'jsonb') return [...COMPARISONS, ...JSONB_OPERATORS];
  if (name === 'ltree') return [...COMPARISONS, ...LTREE_OPERATORS];
  const spatial = SPATIAL_OPERATORS[name];
  if (spatial === undefined) return COMPARISONS;
  return [...(name === 'raster' ? EQUALITIES : COMPARISONS), ...spatial];
}

/** The operators of a column: a reference into an enum table is compared by equality only. */
export function operatorsOfColumn(column: Column): readonly Operator[] {
  return column.enumTable === null ? operatorsOf(column.type) : EQUALITIES;
}

/** What an operator takes on its right side. */
export function operandShape(operator: Operator): OperandShape {
  return SHAPES[operator] ?? 'same';
}

const OTHER_FORM: Readonly<Record<string, string>> = { geometry: 'geography', geography: 'geometry' };

/** The types that `_cast` offers: text, unless the value is one already, and `geometry` and `geography` for each other. */
export function castsOf(type: ColumnType): readonly ColumnType[] {
  const base = baseType(type);
  if (type.kind === 'array' || base.name === 'text' || base.name === 'varchar') return [];
  const other = OTHER_FORM[base.name];
  return other === undefined ? [TEXT] : [TEXT, siblingType(base, other)];
}

/** The name of the comparison input type, e.g. `Int_comparison_exp`, `String_array_comparison_exp`. */
export function comparisonTypeName(type: ColumnType): string {
  return type.kind === 'array' ? `${type.scalar}_array_comparison_exp` : `${type.scalar}_comparison_exp`;
}

/** The name of the input type behind `_cast`, e.g. `jsonb_cast_exp`. */
export function castTypeName(type: ColumnType): string {
  return `${type.scalar}_cast_exp`;
}

/** Types whose values Postgres cannot compare. */
export const INCOMPARABLE: ReadonlySet<string> = new Set(['json', 'xml', 'point', 'polygon', 'jsonpath']);

/** Whether its values are JSON documents. */
export function isJsonType(type: ColumnType): boolean {
  return ['json', 'jsonb'].includes(baseType(type).name);
}

/** Follows domains down to the type they are made of. */
export function baseType(type: ColumnType): ColumnType {
  let base = type;
  while (base.kind === 'domain' && base.element !== null) base = base.element;
  return base;
}
