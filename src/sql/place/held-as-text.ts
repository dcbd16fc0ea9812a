import type { Column } from '../../catalog/catalog.ts';
import { baseType, type Operator } from '../../catalog/conditions/operators.ts';
import { isShape } from '../../catalog/conditions/spatial-operators.ts';
import { NearjoinError } from '../../core/errors.ts';
import { printTable } from '../../core/names.ts';
import type { ColumnComparison, PlanTable } from '../../plan/plan.ts';
import { type Sql, sql, syntax } from '../sql.ts';
import type { LeafColumn } from './leaf.ts';
import type { RowScope } from './scope.ts';

// Where the source lacks an extension, values of its types are held as texts. A text does not decide every condition that the
// extension would: the rest only the target can decide.

/** A condition that cannot be decided where the statement runs, for want of a type there. */
export class TypeUnknown extends NearjoinError {
  constructor({ name, type }: Column, { ref }: PlanTable) {
    const base = baseType(type);
    super(
      'not-supported',
      `column "${name}" of table "${printTable(ref)}" can be compared only where its type is known: create the extension of "${(base.element ?? base).name}" in the source database too`,
    );
  }
}

const EQUALITIES: ReadonlySet<Operator> = new Set(['eq', 'neq', 'in', 'nin']);

/** Types of which one value may be written in several ways. */
const OTHERWISE_EQUAL: ReadonlySet<string> = new Set(['citext', 'geometry', 'geography']);

/** Whether some column of an extension's type is held as text. */
export function lacksTypes(columns: readonly Column[], held: readonly LeafColumn[]): boolean {
  const texts = new Set(held.flatMap(({ name, type }) => (/^text(\[\])?$/.test(type) ? [name] : [])));
  return columns.some((column) => texts.has(column.name) && isOfExtension(column));
}

/** Refuses a comparison with a value where the column's text does not decide it. */
export function refuseUnlessText({ column, operator, cast }: ColumnComparison, row: RowScope): void {
  if (row.heldAs(column) !== 'text' || cast?.schema === 'pg_catalog') return;
  if (cast !== null || !isToldByText(column, operator)) refuse(column, row);
}

/** Refuses a comparison of two columns of one extension's type, both held as text, where their texts do not decide it. */
export function refuseUnlessTexts(
  operator: Operator,
  [column, row]: readonly [Column, RowScope],
  [other, otherRow]: readonly [Column, RowScope],
): void {
  const areTexts = row.heldAs(column) === 'text' && otherRow.heldAs(other) === 'text';
  const areAlike = baseType(column.type).name === baseType(other.type).name;
  if (areTexts && areAlike && !isToldByText(column, operator)) refuse(column, row);
}

/** Refuses to tell different values of a column apart where their texts do not. */
export function refuseUnlessDistinct(column: Column, row: RowScope): void {
  if (row.heldAs(column) === 'text' && !isToldByText(column, 'eq')) refuse(column, row);
}

/**
 * Whether a column is null, or is not. A composite is null when all its fields are, and is not when none is: in its text such a field
 * has nothing between its commas, where no other holds a comma without quotes around it.
 * https://www.postgresql.org/docs/current/functions-comparison.html
 */
export function nullTest(column: Column, row: RowScope, isNegated: boolean): Sql {
  const value = row.read(column);
  if (row.heldAs(column) !== 'text' || baseType(column.type).kind !== 'composite')
    return sql`${value} is ${syntax(isNegated ? 'not null' : 'null')}`;
  const bare = sql`pg_catalog.regexp_replace(${value}, '"([^"]|"")*"', 'x', 'g')`;
  return isNegated
    ? sql`coalesce(${bare} !~ '[(,][,)]', false)`
    : sql`coalesce(${value} ~ '^[(],*[)]$', true)`;
}

function refuse(column: Column, { table }: RowScope): void {
  if (isOfExtension(column)) throw new TypeUnknown(column, table);
}

function isOfExtension({ type }: Column): boolean {
  const { kind, schema, element } = baseType(type);
  return schema !== 'pg_catalog' && (kind === 'base' || (element !== null && isShape(element)));
}

/** An extension's value that is held as text can be tested for equality at most. */
function isToldByText({ type }: Column, operator: Operator): boolean {
  const { kind, name } = baseType(type);
  return kind === 'base' && EQUALITIES.has(operator) && !OTHERWISE_EQUAL.has(name);
}
