import type { ColumnType } from '../catalog/catalog.ts';
import { baseType } from '../catalog/conditions/operators.ts';
import { identifier, qualified, type Sql, sql, syntax } from './sql.ts';

const PLAIN_TYPE = /^_?[a-z][a-z0-9]*$/;
/** Unquoted these words mean `bit(1)`, `char(1)`; quoted they mean the type itself. */
const SPECIAL_TYPES: ReadonlySet<string> = new Set([
  'bit',
  'char',
  'name',
  'path',
  'point',
  'time',
  'timestamp',
  'interval',
]);

/**
 * Types of extensions whose arrays are known to be split at commas: a list of them is read with the request, not with a row.
 */
const SPLIT_AT_COMMAS: ReadonlySet<string> = new Set(['citext', 'hstore', 'ltree', 'lquery', 'ltxtquery']);

/** A type without its modifier: a cast to `varchar(3)` would cut a value that is only compared. */
export function bareType(type: ColumnType): Sql {
  const base = baseType(type);
  if (base.schema !== 'pg_catalog') return qualified(base);
  return PLAIN_TYPE.test(base.name) && !SPECIAL_TYPES.has(base.name)
    ? syntax(base.name)
    : identifier(base.name);
}

/** Something beside a type in its extension, as `lquery` or the functions of shapes are: `held` is the type's name here. */
export function beside(name: string, type: ColumnType, held: string | null): Sql {
  return sql`${schemaOf(type, held)}${identifier(name)}`;
}

/** Types of Postgres whose operators are made for just them. */
const EXACT: ReadonlySet<string> = new Set(
  'int2 int4 int8 float4 float8 numeric text bool uuid date timestamp timestamptz jsonb'.split(' '),
);

/**
 * An operator between values of these types. One of Postgres' own is named with its schema unless it fits the types exactly:
 * else an operator that fits better, in some schema of the search path, would take its place. Postgres has none for `varchar
 * = varchar`, for example, nor for a particular array or enum.
 */
export function operatorOf(symbol: string, type: ColumnType, ...others: readonly ColumnType[]): Sql {
  const types = [type, ...others];
  const isExact = types.every(({ oid, schema, name }) => {
    return oid === type.oid && schema === 'pg_catalog' && EXACT.has(name);
  });
  return syntax(isExact || types.some(isFoundByPath) ? symbol : `operator(pg_catalog.${symbol})`);
}

/** The same for a function over values of these types. */
export function functionOf(name: string, ...types: readonly ColumnType[]): Sql {
  return syntax(types.some(isFoundByPath) ? name : `pg_catalog.${name}`);
}

/** Only the search path leads to what belongs to such a type. */
function isFoundByPath(type: ColumnType): boolean {
  const { kind, schema } = baseType(type);
  return kind === 'base' && schema !== 'pg_catalog';
}

/** An operator of a type's extension. */
export function operatorBeside(symbol: string, type: ColumnType, held: string | null): Sql {
  return sql`operator(${schemaOf(type, held)}${syntax(symbol)})`;
}

/** With the dot behind it. */
function schemaOf(type: ColumnType, held: string | null): Sql {
  if (held === null) return sql`${identifier(baseType(type).schema)}.`;
  return syntax(held.slice(0, held.lastIndexOf('.') + 1));
}

/** Whether an array of the type may be split at another character than the comma, so that a list of texts must become it. */
export function isSplitElsewhere(type: ColumnType): boolean {
  const { kind, schema, name } = baseType(type);
  return schema === 'pg_catalog' ? name === 'box' : kind === 'base' && !SPLIT_AT_COMMAS.has(name);
}
