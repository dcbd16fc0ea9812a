import type { Column, ColumnType } from '../../catalog/catalog.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import { must } from '../../core/assert.ts';
import type { Operand } from '../../plan/plan.ts';
import type { Build, RowScope } from '../place/scope.ts';
import { type Sql, sql, syntax, typedParameter } from '../sql.ts';
import { bareType, beside, isSplitElsewhere } from '../types.ts';

/** A column, and the type that it is held as; null where that is its own. */
export type Held = { readonly column: Column; readonly as: string } | null;

/** How a row holds one of its columns. */
export function heldIn(row: RowScope, column: Column): Held {
  const as = row.heldAs(column);
  return as === null ? null : { column, as };
}

/** A value of the request, cast so that Postgres knows its type: as the column is held that it is compared with. */
export function operandSql(operand: Operand, build: Pick<Build, 'params'>, held: Held = null): Sql {
  const param = must(build.params[operand.index], `parameter ${operand.index}`);
  const { type, list, from } = param;
  const value = (as: Sql): Sql => typedParameter({ kind: 'plan', index: operand.index }, as);
  const one = typeThere(type, held);
  const { kind, element } = baseType(type);
  // Arrays of different lengths make no array: they are bound as texts.
  if (list && kind === 'array')
    return sql`select v::${one} from pg_catalog.unnest(${value(syntax('text[]'))}) v`;
  const part = list ? type : kind === 'array' ? element : null;
  // The list of a session variable comes as the type's own arrays are written.
  const isOfTexts = part !== null && isSplitElsewhere(part) && from.kind !== 'session';
  const whole = list ? sql`${one}[]` : one;
  return isOfTexts ? sql`${value(syntax('text[]'))}::${whole}` : value(whole);
}

/** The type that a value is read as: the one that its column is held as, or one beside it, as `lquery` is beside `ltree`. */
export function typeThere(type: ColumnType, held: Held): Sql {
  if (held === null) return bareType(type);
  if (sameType(type, held.column.type)) return syntax(held.as);
  const { schema, name } = baseType(type);
  const isBeside = schema !== 'pg_catalog' && schema === baseType(held.column.type).schema;
  return isBeside ? beside(name, held.column.type, held.as) : bareType(type);
}

function sameType(a: ColumnType, b: ColumnType): boolean {
  const [first, second] = [baseType(a), baseType(b)];
  return first.name === second.name && first.schema === second.schema;
}
