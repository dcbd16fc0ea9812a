import { unreachable } from '../../../core/assert.ts';
import { isRecord } from '../../../core/json/is-record.ts';
import type { Json } from '../../../core/json/json-text.ts';
import type { Column, ColumnType, Table } from '../../catalog.ts';
import { isObjectOperand, type OperandType, operandOf, plainOperand } from '../../conditions/operand-type.ts';
import { baseType, castsOf, INCOMPARABLE, type Operator, operatorsOf } from '../../conditions/operators.ts';
import { operatorsIn, ruleCast, ruleOperator } from '../../conditions/rule-operator.ts';
import { ruleText, sessionVariable } from '../../conditions/rule-value.ts';
import type { ObjectOperand } from '../../conditions/spatial-operators.ts';
import { Unresolvable } from '../problems.ts';

/** Where a comparison of a row rule stands. */
export interface ComparisonScope {
  readonly table: Table;
  /** The table the permission belongs to: `["$", column]` means its columns. */
  readonly root: Table;
  /** The values a column that points at an enum table may have; null for all other columns. */
  readonly enumValues: (column: Column) => readonly string[] | null;
}

const EQUALITIES: ReadonlySet<Operator> = new Set(['eq', 'neq', 'in', 'nin']);

/** Checks that the operators fit the column, and that their constants are values of its type. */
export function checkColumn(column: Column, value: Json, scope: ComparisonScope): void {
  for (const [key, operand] of operatorsIn(value)) checkOperator(column, { key, operand }, scope);
}

/** Checks the operators of an aggregate. */
export function checkAggregated(type: ColumnType, value: Json): void {
  checkValue({ type, of: 'an aggregate' }, value, (key) => `"${key}" does not compare an aggregate`);
}

function known(key: string): NonNullable<ReturnType<typeof ruleOperator>> {
  const meant = ruleOperator(key);
  if (meant === null) throw new Unresolvable(`"${key}" is not an operator`);
  return meant;
}

interface Comparison {
  readonly key: string;
  readonly operand: Json;
}

function checkOperator(column: Column, { key, operand }: Comparison, scope: ComparisonScope): void {
  const meant = known(key);
  switch (meant.kind) {
    case 'is-null':
      return checkIsNull(operand);
    case 'cast':
      return checkCast({ type: column.type, of: named(column) }, operand);
    case 'columns':
      checkFits(column, { key, operator: meant.operator });
      return checkOtherColumn(column, { key, operand }, scope);
    case 'compare': {
      checkFits(column, { key, operator: meant.operator });
      const what = operandOf(meant.operator, column.type);
      if (operand === null && !isObjectOperand(what) && !what.list) return;
      checkOperand(what, operand, { key, of: named(column) });
      if (EQUALITIES.has(meant.operator)) checkEnum(column, { key, operand }, scope);
      return;
    }
    default:
      return unreachable(meant);
  }
}

function checkFits(
  column: Column,
  { key, operator }: { readonly key: string; readonly operator: Operator },
): void {
  const fits = operatorsOf(column.type).includes(operator) && !INCOMPARABLE.has(baseType(column.type).name);
  if (!fits) throw new Unresolvable(`operator "${key}" does not fit ${named(column)}`);
}

function checkIsNull(operand: Json): void {
  if (typeof operand !== 'boolean') throw new Unresolvable('"_is_null" takes true or false');
}

/** The type of something compared that is not a plain column, and its name in messages. */
interface Value {
  readonly type: ColumnType;
  readonly of: string;
}

function checkCast({ type, of }: Value, operand: Json): void {
  for (const [name, operators] of operatorsIn(operand)) {
    const cast = ruleCast(type, name);
    const names = castsOf(type)
      .map(({ scalar }) => JSON.stringify(scalar))
      .join(' and ');
    if (cast === undefined) throw new Unresolvable(`"_cast" of ${of} takes ${names || 'nothing'} only`);
    const casted = { type: cast, of: `the ${cast.name} of ${of}` };
    checkValue(casted, operators, (key) => `operator "${key}" does not fit ${casted.of}`);
  }
}

function checkValue({ type, of }: Value, operators: Json, unfit: (key: string) => string): void {
  for (const [key, operand] of operatorsIn(operators)) {
    const meant = known(key);
    if (meant.kind === 'is-null') checkIsNull(operand);
    else if (meant.kind === 'cast') checkCast({ type, of }, operand);
    else if (meant.kind !== 'compare' || !operatorsOf(type).includes(meant.operator) || operand === null)
      throw new Unresolvable(unfit(key));
    else checkOperand(operandOf(meant.operator, type), operand, { key, of });
  }
}

/** An operator as it is written, and what it is applied to. */
interface Place {
  readonly key: string;
  readonly of: string;
}

function checkOperand(what: OperandType | ObjectOperand, operand: Json, place: Place): void {
  if (!isObjectOperand(what)) return checkConstant(what, operand, place);
  const given = isRecord(operand) ? operand : null;
  const names = what.members.map(({ name }) => name);
  const isComplete = what.members.every(({ name, required }) => !required || given?.[name] !== undefined);
  if (given === null || !isComplete || Object.keys(given).some((name) => !names.includes(name)))
    throw new Unresolvable(`operator "${place.key}" of ${place.of} takes an object of ${names.join(', ')}`);
  for (const { name, type } of what.members) {
    const value = given[name];
    if (value !== undefined) checkConstant(plainOperand(type), value, place);
  }
}

function checkConstant({ type, list }: OperandType, operand: Json, { key, of }: Place): void {
  if (sessionVariable(operand) !== null) return;
  if (list && !Array.isArray(operand)) throw new Unresolvable(`operator "${key}" of ${of} takes a list`);
  for (const value of list ? elementsOf(operand) : [operand]) {
    if (sessionVariable(value) !== null || ruleText(type, value) !== null) continue;
    const shown = JSON.stringify(value);
    throw new Unresolvable(`operator "${key}" of ${of} takes ${type.sql}, which ${shown} is not`);
  }
}

function checkEnum(column: Column, { key, operand }: Comparison, scope: ComparisonScope): void {
  const values = scope.enumValues(column);
  if (values === null) return;
  for (const value of elementsOf(operand)) {
    if (typeof value === 'string' && (sessionVariable(value) !== null || values.includes(value))) continue;
    const shown = JSON.stringify(value);
    throw new Unresolvable(
      `operator "${key}" of ${named(column)} takes a value of its enum, which ${shown} is not`,
    );
  }
}

function elementsOf(operand: Json): readonly Json[] {
  return Array.isArray(operand) ? operand : [operand];
}

function checkOtherColumn(
  column: Column,
  { key, operand }: Comparison,
  { table, root }: ComparisonScope,
): void {
  const other = otherColumn(operand, { table, root });
  if (kindOf(column.type) !== kindOf(other.type))
    throw new Unresolvable(`operator "${key}" cannot compare ${named(column)} with ${named(other)}`);
}

/** `col`, `[col]` or `["$", col]`. */
function otherColumn(operand: Json, scope: Pick<ComparisonScope, 'table' | 'root'>): Column {
  const path: readonly Json[] = Array.isArray(operand) ? operand : [operand];
  const isRoot = path.length === 2 && path[0] === '$';
  const name = isRoot ? path[1] : path[0];
  if (typeof name !== 'string' || (path.length !== 1 && !isRoot))
    throw new Unresolvable('a column comparison takes a column name or ["$", column]');
  const column = (isRoot ? scope.root : scope.table).columnByName.get(name);
  if (column === undefined) throw new Unresolvable(`"${name}" does not exist`);
  return column;
}

/** Two types of the same kind can be compared: Postgres converts within a category of types, but not between types of users. */
function kindOf(type: ColumnType): string {
  const { kind, name, category, element } = baseType(type);
  if (kind === 'array' && element !== null) return `array of ${kindOf(element)}`;
  return category === 'U' || category === 'E'
    ? `type ${name}`
    : `category ${category === 'Z' ? 'S' : category}`;
}

function named({ name, type }: Column): string {
  return `column "${name}" of type ${type.sql}`;
}
