import { type Argument, openArgument } from '../argument/arguments.ts';
import { objectMembers } from '../argument/members.ts';
import { comparedRows, comparedValue } from '../call/computed.ts';
import type { Followed } from '../place/places.ts';
import type { Predicate } from '../plan.ts';
import { type ConditionAt, inside, type Planning, type Position, type Rows } from '../planning.ts';
import { and, not, or, TRUE } from '../predicates.ts';
import { notFound, nullForList } from '../problem.ts';
import { isCompared, visibleRelationship } from '../role/visible.ts';
import { permittedRows } from '../rule/permit.ts';
import { elementsOf, type Input, isNull } from '../value/input.ts';
import { planAggregatePredicate } from './aggregate-predicate.ts';
import { planColumn } from './comparison.ts';

/** A `where` argument; no condition when it is left out or null. */
export function planWhere(planning: Planning, rows: Rows, argument: Argument): Predicate {
  const input = openArgument(planning, argument, rows.view.table.derivedType('_bool_exp'));
  return input === null ? TRUE : planBoolExp(planning, rows, input, { ...argument.at, negated: false });
}

function planBoolExp(planning: Planning, rows: Rows, given: Input, at: ConditionAt): Predicate {
  const type = rows.view.table.derivedType('_bool_exp');
  const input = planning.variables.open(given, `${type}!`, at.path);
  const members = objectMembers(input, type, at.path);
  return and(
    members.map(([name, member]) =>
      planMember(planning, rows, { name, member, at: inside(planning, at, name) }),
    ),
  );
}

interface Member {
  readonly name: string;
  readonly member: Input;
  readonly at: ConditionAt;
}

function planMember(planning: Planning, rows: Rows, { name, member, at }: Member): Predicate {
  switch (name) {
    case '_and':
      return and(planList(planning, rows, member, at));
    case '_or':
      return or(planList(planning, rows, member, at));
    case '_not':
      return not(
        planBoolExp(planning, rows, opened(planning, rows, member, at), { ...at, negated: !at.negated }),
      );
  }
  const column = rows.view.columnByField.get(name) ?? comparedValue(planning, rows, name);
  if (column !== null) return planColumn(planning, { ...rows, column }, member, at);
  const reached = follow(planning, rows, name);
  if (reached !== null) {
    const { join, to, target } = reached;
    // Whether such a row exists is true or false, never null, so a `_not` outside does not matter to what is inside.
    const condition = planBoolExp(planning, target, opened(planning, target, member, at), {
      ...at,
      negated: false,
    });
    return {
      kind: 'exists',
      join,
      to: to.planTable,
      where: and([permittedRows(planning, target), condition]),
    };
  }
  const aggregate = planAggregatePredicate(planning, rows, { name, input: member, at }, planBoolExp);
  if (aggregate !== null) return aggregate;
  throw notFound(at.path.slice(0, -(name.length + 1)), name, rows.view.table.derivedType('_bool_exp'));
}

/** Opens the rows that a relationship or a computed field leads to. */
function follow(planning: Planning, rows: Rows, name: string): (Followed & { readonly target: Rows }) | null {
  const related = visibleRelationship(planning.catalog, rows.view, name);
  if (related === null || !isCompared(related, rows.view)) return comparedRows(planning, rows, name);
  const followed = planning.places.follow(rows.place, related.relationship, related.target.table);
  return { ...followed, target: { view: related.target, place: followed.to } };
}

/** The schema has this member as nullable, so a nullable variable may stand there. */
function opened(planning: Planning, rows: Rows, member: Input, at: Position): Input {
  return planning.variables.open(member, rows.view.table.derivedType('_bool_exp'), at.path);
}

/** A list of conditions; GraphQL accepts a single one for a list of one. */
function planList(planning: Planning, rows: Rows, given: Input, at: ConditionAt): readonly Predicate[] {
  const type = rows.view.table.derivedType('_bool_exp');
  const input = planning.variables.open(given, `[${type}!]`, at.path);
  if (isNull(input)) throw nullForList(at.path);
  return (elementsOf(input) ?? [input]).map((element, index) =>
    planBoolExp(planning, rows, element, inside(planning, at, index)),
  );
}
