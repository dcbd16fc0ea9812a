import {
  type ComputedField,
  findTable,
  type JoinPair,
  type Relationship,
  type Table,
} from '../../catalog/catalog.ts';
import { mappingProblem } from '../../catalog/conditions/mapping.ts';
import { PREDICATE_FUNCTIONS, ruleArguments } from '../../catalog/conditions/predicate-functions.ts';
import { isRecord } from '../../core/json/is-record.ts';
import type { Json, JsonObject } from '../../core/json/json-text.ts';
import { printTable, type SourceName, type TableRef } from '../../core/names.ts';
import { aggregatedBy, readExists, ruleMember } from '../../core/row-rule.ts';
import { ruledRows, ruledValue } from '../call/computed.ts';
import type { Place } from '../place/places.ts';
import type { Predicate } from '../plan.ts';
import type { Planning } from '../planning.ts';
import { and, not, or, TRUE } from '../predicates.ts';
import { planRuleColumn, planRuleTests } from './comparison.ts';
import { brokenRule, type RuleContext } from './context.ts';

/** A row rule of the metadata as a predicate on the rows at `place`. Rules name columns as Postgres does, and rules of related tables do not apply inside. */
export function planRule(planning: Planning, place: Place, rule: JsonObject): Predicate {
  return planObject({ planning, place, root: place, depth: 0 }, rule);
}

function planObject(context: RuleContext, rule: Json): Predicate {
  const { planning, depth } = context;
  planning.budget.descend(depth, '$');
  const members = Object.entries(objectOf(context, rule));
  return and(members.map(([key, value]) => planMember({ ...context, depth: depth + 1 }, key, value)));
}

function planMember(context: RuleContext, key: string, value: Json): Predicate {
  const { table } = context.place;
  context.planning.budget.spend('$');
  switch (ruleMember(key)) {
    case '_and':
      return and(listOf(context, value).map((part) => planObject(context, part)));
    case '_or':
      return or(listOf(context, value).map((part) => planObject(context, part)));
    case '_not':
      return not(planObject(context, value));
    case '_exists':
      return planExists(context, value);
  }
  const column = table.columnByName.get(key);
  if (column !== undefined) return planRuleColumn(context, column, value);
  const computed = table.computedFields.get(key);
  if (computed !== undefined) return planComputed(context, computed, value);
  const relationship = table.relationships.get(key);
  if (relationship !== undefined) return planRelationship(context, relationship, value);
  const many = table.relationships.get(aggregatedBy(key));
  if (many?.kind === 'array') return planAggregate(context, many, value);
  throw brokenRule(table, `"${key}" is neither a column nor a relationship`);
}

function planComputed(context: RuleContext, field: ComputedField, value: Json): Predicate {
  const { planning, place } = context;
  const column = ruledValue(planning, place.table, field);
  if (column !== null) return planRuleColumn(context, column, value);
  const rows = ruledRows(planning, place, field);
  if (rows === null) throw brokenRule(place.table, `"${field.name}" takes arguments`);
  const { join, to } = rows;
  return { kind: 'exists', join, to: to.planTable, where: planObject({ ...context, place: to }, value) };
}

function planRelationship(context: RuleContext, relationship: Relationship, value: Json): Predicate {
  const target = tableAt(context, relationship.source, relationship.table);
  const { join, to } = context.planning.places.follow(context.place, relationship, target);
  return { kind: 'exists', join, to: to.planTable, where: planObject({ ...context, place: to }, value) };
}

/** `<relationship>_aggregate: {count: {…}}`. Each comparison reads related rows at a place of its own: a place occurs only once in a plan. */
function planAggregate(context: RuleContext, relationship: Relationship, value: Json): Predicate {
  const { planning, place } = context;
  const target = tableAt(context, relationship.source, relationship.table);
  const [first, ...others] = Object.entries(objectOf(context, value));
  const called = PREDICATE_FUNCTIONS.find(({ name }) => name === first?.[0]);
  if (first === undefined || called === undefined || others.length > 0)
    throw brokenRule(place.table, 'exactly one aggregate must be compared');
  const { predicate, arguments: args, distinct, filter } = objectOf(context, first[1]);
  const columns = ruleArguments(called, target, args);
  if (columns === null) throw brokenRule(target, `the arguments do not fit ${called.name}`);
  const asked = { columns, distinct: distinct === true && columns.length > 0, function: called.name };
  return and(
    planRuleTests(context, called.answers, predicate ?? null).map((test): Predicate => {
      const { join, to } = planning.places.follow(place, relationship, target);
      for (const column of columns) to.read(column);
      const where = filter === undefined ? TRUE : planObject({ ...context, place: to }, filter);
      return { kind: 'exists-aggregate', join, to: to.planTable, where, test, ...asked };
    }),
  );
}

function planExists(context: RuleContext, value: Json): Predicate {
  const { planning, place } = context;
  const exists = readExists(value, place.table.source);
  if (exists === null) throw brokenRule(place.table, '_exists needs a _table and a _where');
  const to = planning.places.open(tableAt(context, exists.source, exists.table), place.scope);
  const where = planObject({ ...context, place: to }, exists.where as Json);
  return correlated(context, to, where) ?? { kind: 'exists-table', to: to.planTable, where };
}

/** An `_exists` that compares columns for equality with the rule's row is planned as a join: a live answer then looks rows up by key. */
function correlated({ place, root }: RuleContext, to: Place, where: Predicate): Predicate | null {
  if (place !== root) return null;
  const parts = where.kind === 'and' ? where.of : [where];
  const on: JoinPair[] = [];
  const others = parts.filter((part) => {
    if (part.kind !== 'compare-columns' || part.operator !== 'eq' || part.other.table !== root.id)
      return true;
    const pair = { left: part.other.column, right: part.column };
    if (mappingProblem(pair.left, pair.right) !== null) return true;
    on.push(pair);
    return false;
  });
  if (on.length === 0) return null;
  // No relationship can have this name, so the two are never confused.
  const join = { name: `exists ${printTable(to.table.ref)}`, on, unique: false, indexed: false };
  return { kind: 'exists', join, to: to.planTable, where: and(others) };
}

/** A table that a rule names. The catalog has left out permissions that name one that is not there. */
function tableAt({ planning, place }: RuleContext, source: SourceName, ref: TableRef): Table {
  const found = findTable(planning.catalog, source, ref);
  if (found === undefined) throw brokenRule(place.table, `table "${printTable(ref)}" is gone`);
  return found;
}

function objectOf({ place }: RuleContext, value: Json | undefined): JsonObject {
  if (isRecord(value)) return value;
  throw brokenRule(place.table, 'expected an object');
}

function listOf({ place }: RuleContext, value: Json): readonly Json[] {
  if (Array.isArray(value)) return value;
  throw brokenRule(place.table, 'expected a list');
}
