import type { Column, ColumnType } from '../../catalog/catalog.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import { isShape } from '../../catalog/conditions/spatial-operators.ts';
import type { Build, RowScope } from '../place/scope.ts';
import { constant, type Sql, sql } from '../sql.ts';
import { bareType, beside } from '../types.ts';

/** A column as JSON text, never null: exactly what `to_json` gives, by a cheaper way where there is one. */
export function columnJson(row: RowScope, column: Column, build: Build): Sql {
  const read = row.read(column);
  // Enum values are ASCII; some collations have a dotted capital I.
  const value = column.upperCased ? sql`pg_catalog.upper(${read} collate "C")` : read;
  const encoded = cellJson(value, { row, column, build });
  return column.notNull ? encoded : orNull(encoded);
}

interface CellAt {
  readonly row: RowScope;
  readonly column: Column;
  readonly build: Build;
}

function cellJson(value: Sql, { row, column, build }: CellAt): Sql {
  const held = row.heldAs(column);
  if (held === 'text' || isCostly(column, build)) return sql`pg_catalog.to_json(${value})::text`;
  // As Hasura has it: with all digits, and the reference system by its long name.
  if (isShape(baseType(column.type)))
    return sql`${beside('st_asgeojson', column.type, held)}(${value}, 15, 4)`;
  return valueJson(value, column.type, build);
}

/** Whether the cheaper way would compute the column three times. */
function isCostly({ computed, type }: Column, { stringifyNumbers }: Build): boolean {
  const base = baseType(type);
  return computed !== undefined && FRACTIONS.has(base.name) && !(stringifyNumbers && isBigNumber(base));
}

/** The part of a json or jsonb column at a path, `null` where there is none. */
export function jsonPathJson(value: Sql, path: Sql): Sql {
  return orNull(sql`(${value} #> ${path})::text`);
}

/** JSON text that is `null` where the SQL value is null. */
export function orNull(json: Sql): Sql {
  return sql`coalesce(${json}, ${constant('null')})`;
}

/** A value as JSON text; null stays null. */
export function valueJson(value: Sql, type: ColumnType, build: Build): Sql {
  const base = baseType(type);
  if (base.kind === 'array' || base.schema !== 'pg_catalog') return sql`pg_catalog.to_json(${value})::text`;
  // The cast costs nothing while the column has this type. If it has become a text meanwhile, that would go into the answer
  // as it stands.
  const typed = sql`${value}::${bareType(base)}`;
  if (build.stringifyNumbers && isBigNumber(base)) return quoted(typed);
  if (PLAIN.has(base.name)) return sql`${typed}::text`;
  if (QUOTED.has(base.name)) return quoted(typed);
  if (FRACTIONS.has(base.name)) return fractionJson(value);
  return sql`pg_catalog.to_json(${value})::text`;
}

/** Their text is JSON as it stands. */
const PLAIN: ReadonlySet<string> = new Set(['int2', 'int4', 'int8', 'bool', 'json', 'jsonb']);
/** Their text needs quotes and never an escape. */
const QUOTED: ReadonlySet<string> = new Set(['uuid', 'time', 'timetz', 'cidr', 'macaddr', 'macaddr8', 'oid']);
/** Written as strings when asked for, since JavaScript would round them. */
const BIG_NUMBERS: ReadonlySet<string> = new Set(['int8', 'numeric', 'float8']);

/** Whether values of the type become strings when numbers are asked for as strings. */
export function isBigNumber(type: ColumnType): boolean {
  return type.schema === 'pg_catalog' && BIG_NUMBERS.has(type.name);
}

const FRACTIONS: ReadonlySet<string> = new Set(['numeric', 'float4', 'float8']);

/** `to_json` quotes NaN and infinities, of which no difference to themselves is zero; the rest is plain, and faster so. */
function fractionJson(value: Sql): Sql {
  return sql`(case when ${value} - ${value} operator(pg_catalog.=) 0 then ${value}::text else pg_catalog.to_json(${value})::text end)`;
}

function quoted(value: Sql): Sql {
  return sql`(${constant('"')} || ${value}::text || ${constant('"')})`;
}
