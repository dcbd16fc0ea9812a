import type { Column } from '../../catalog/catalog.ts';
import {
  argumentColumns,
  PAIR,
  type PredicateFunction,
  predicateFunctions,
} from '../../catalog/conditions/predicate-functions.ts';
import { must } from '../../core/assert.ts';
import { selectColumns } from '../argument/enumeration.ts';
import { knownMembers, openMembers } from '../argument/members.ts';
import { planBoolean, planEnum, planEnums } from '../argument/planned-value.ts';
import type { Predicate, Test } from '../plan.ts';
import { type ConditionAt, inside, type Planning, type Position, type Rows } from '../planning.ts';
import { and, TRUE } from '../predicates.ts';
import { invalid, missingField, notFound, unexpectedNull } from '../problem.ts';
import { isCompared, type VisibleRelationship, visibleAggregate } from '../role/visible.ts';
import { guarded, permittedRows } from '../rule/permit.ts';
import type { Enumeration } from '../value/encode.ts';
import type { Input } from '../value/input.ts';
import { planTests } from './comparison.ts';

const MEMBERS: readonly string[] = ['arguments', 'distinct', 'filter', 'predicate'];

/** Plans the condition in `filter`: handed in, since conditions plan aggregates and these plan conditions. */
export type PlanFilter = (planning: Planning, rows: Rows, input: Input, at: ConditionAt) => Predicate;

interface Member {
  readonly name: string;
  readonly input: Input;
  readonly at: Position;
}

/** `<relationship>_aggregate: {count: {…}}`; null when there is no such relationship for the role. */
export function planAggregatePredicate(
  planning: Planning,
  rows: Rows,
  { name, input: given, at }: Member,
  planFilter: PlanFilter,
): Predicate | null {
  const related = aggregated(planning, rows, name);
  if (related === null) return null;
  const type = related.target.table.derivedType('_aggregate_bool_exp');
  const members = openMembers(planning, given, type, at);
  const functions = predicateFunctions(related.target.columns);
  const called = members.map(([member, argument]) => {
    const found = functions.find((known) => known.name === member);
    if (found === undefined) throw notFound(at.path, member, type);
    return { called: found, argument };
  });
  const [first] = called;
  if (first === undefined || called.length > 1)
    throw invalid(at.path, 'exactly one predicate should be specified');
  const here = inside(planning, at, first.called.name);
  const context = {
    planning,
    rows,
    related,
    planFilter,
    called: first.called,
    type: related.target.table.derivedType(`_aggregate_bool_exp_${first.called.name}`),
  };
  return planFunction(context, first.argument, here);
}

interface Context {
  readonly planning: Planning;
  readonly rows: Rows;
  readonly related: VisibleRelationship;
  readonly planFilter: PlanFilter;
  readonly called: PredicateFunction;
  readonly type: string;
}

function planFunction(context: Context, input: Input, at: Position): Predicate {
  const { planning, called, type } = context;
  const given = knownMembers(openMembers(planning, input, type, at), type, MEMBERS, at);
  const predicate = given.get('predicate');
  if (predicate === undefined) throw missingField(`${at.path}.predicate`, 'predicate');
  const columns = planArguments(context, given.get('arguments'), inside(planning, at, 'arguments'));
  const unique = given.get('distinct');
  const distinct = unique !== undefined && planBoolean(planning, unique, inside(planning, at, 'distinct'));
  const filter = given.get('filter');
  const compared = inside(planning, at, 'predicate');
  const computed = { type: called.answers, spelling: context.related.target.table.spelling };
  const tests = planTests(planning, computed, predicate, compared);
  return and(
    tests.map((test) =>
      planOne(context, { columns, test, distinct: distinct && columns.length > 0, filter, at }),
    ),
  );
}

interface One {
  readonly columns: readonly Column[];
  readonly test: Test;
  readonly distinct: boolean;
  readonly filter: Input | undefined;
  readonly at: Position;
}

/**
 * Each comparison reads related rows at a place of its own, because a place may occur only once in a plan. A hidden cell must
 * count as null. All of these functions skip rows where an argument is null, so the condition can leave out such rows.
 */
function planOne(context: Context, { columns, test, distinct, filter, at }: One): Predicate {
  const { planning, rows, related, called } = context;
  const { join, to } = planning.places.follow(rows.place, related.relationship, related.target.table);
  const target = { view: related.target, place: to };
  const filtered =
    filter === undefined ? TRUE : planFiltered(context, target, filter, inside(planning, at, 'filter'));
  const shown = columns.map((column) =>
    guarded(planning, { ...target, column: to.read(column) }, TRUE, false),
  );
  const where = and([permittedRows(planning, target), filtered, ...shown]);
  return {
    kind: 'exists-aggregate',
    function: called.name,
    join,
    to: to.planTable,
    where,
    columns,
    distinct,
    test,
  };
}

function planFiltered(
  { planning, planFilter }: Context,
  target: Rows,
  filter: Input,
  at: Position,
): Predicate {
  const opened = planning.variables.open(filter, target.view.table.derivedType('_bool_exp'), at.path);
  return planFilter(planning, target, opened, { ...at, negated: false });
}

function planArguments(context: Context, given: Input | undefined, at: Position): readonly Column[] {
  const { planning, related, called } = context;
  const named = (field: string): Column => must(related.target.columnByField.get(field), 'column');
  if (called.takes === 'columns') {
    if (given === undefined) return [];
    return planEnums(planning, given, selectColumns(related.target), at).map(named);
  }
  if (given === undefined) throw missingField(at.path, 'arguments');
  if (called.takes === 'pair') return planPair(context, given, at).map(named);
  return [named(planRequired(context, given, at))];
}

function planPair(context: Context, given: Input, at: Position): readonly string[] {
  const { planning, related, called } = context;
  const type = related.target.table.derivedType(`_aggregate_bool_exp_${called.name}_arguments`);
  const found = knownMembers(openMembers(planning, given, type, at), type, PAIR, at);
  return PAIR.map((name) => {
    const member = found.get(name);
    const here = inside(planning, at, name);
    if (member === undefined) throw missingField(here.path, name);
    return planRequired(context, member, here);
  });
}

/** The name of a required column. */
function planRequired(context: Context, given: Input, at: Position): string {
  const enumeration = argumentsEnum(context);
  const field = planEnum(context.planning, given, enumeration, at);
  if (field !== null) return field;
  throw unexpectedNull(at.path, enumeration.name);
}

function argumentsEnum({ related, called }: Context): Enumeration {
  const { table, columnByField } = related.target;
  const columns = argumentColumns(called, [...columnByField.values()]);
  const name = table.derivedType(
    `_select_column_${table.typeName}_aggregate_bool_exp_${called.name}_arguments_columns`,
  );
  return { name, values: columns.map(({ field }) => field) };
}

function aggregated(planning: Planning, rows: Rows, name: string): VisibleRelationship | null {
  const related = visibleAggregate(planning.catalog, rows.view, name);
  return related?.target.mayAggregate === true && isCompared(related, rows.view) ? related : null;
}
