import type { Column, Relationship, Table } from '../catalog/catalog.ts';
import { findTable } from '../catalog/catalog.ts';
import type { Json, JsonObject } from '../core/json-text.ts';
import type { TableRef } from '../core/names.ts';
import type { Place } from './places.ts';
import type { Predicate } from './plan.ts';
import type { Planning } from './planning.ts';
import { and, FALSE, not, or } from './predicates.ts';
import { brokenRule, type RuleContext } from './rule-context.ts';
import { planRuleOperator } from './rule-operator.ts';

/** A row rule of the metadata as a predicate on the rows at `place`; related tables' own rules do not apply in it. */
export function planRule(planning: Planning, place: Place, rule: JsonObject): Predicate {
  return planObject({ planning, place, root: place, depth: 0 }, rule);
}

function planObject(context: RuleContext, rule: Json | undefined): Predicate {
  const { planning, place, depth } = context;
  planning.budget.descend(depth, '$');
  if (!isObject(rule)) throw brokenRule(place.table, 'expected an object');
  return and(
    Object.entries(rule).map(([key, value]) => planMember({ ...context, depth: depth + 1 }, key, value)),
  );
}

function planMember(context: RuleContext, key: string, value: Json): Predicate {
  const { table } = context.place;
  switch (key) {
    case '_and':
    case '$and':
      return and(listOf(value).map((part) => planObject(context, part)));
    case '_or':
    case '$or':
      return or(listOf(value).map((part) => planObject(context, part)));
    case '_not':
    case '$not':
      return not(planObject(context, value));
    case '_exists':
    case '$exists':
      return planExists(context, value);
  }
  const column = table.columnByName.get(key) ?? table.columnByField.get(key);
  if (column !== undefined) return planColumn(context, column, value);
  const relationship = table.relationships.get(key);
  if (relationship === undefined) throw brokenRule(table, `"${key}" is neither a column nor a relationship`);
  return planRelationship(context, relationship, value);
}

function planColumn(context: RuleContext, column: Column, value: Json): Predicate {
  if (!isOperators(value)) return planRuleOperator(context, column, '_eq', value);
  return and(
    Object.entries(value).map(([operator, operand]) => planRuleOperator(context, column, operator, operand)),
  );
}

function planRelationship(context: RuleContext, relationship: Relationship, value: Json): Predicate {
  const { planning, place } = context;
  const target = findTable(planning.catalog, relationship.source, relationship.table);
  // A rule that cannot be evaluated lets nothing through: its source is down or its table is gone.
  if (target === undefined) return FALSE;
  const { join, to } = planning.places.follow(place, relationship, target);
  return { kind: 'exists', join, to: to.planTable, where: planObject({ ...context, place: to }, value) };
}

function planExists(context: RuleContext, value: Json): Predicate {
  const { planning, place } = context;
  if (!isObject(value)) throw brokenRule(place.table, '_exists takes an object');
  const target = findTable(
    planning.catalog,
    place.table.source,
    tableOf(place.table, value['_table'] ?? value['$table']),
  );
  if (target === undefined) return FALSE;
  const to = planning.places.open(target, place.scope);
  const where = planObject({ ...context, place: to }, value['_where'] ?? value['$where'] ?? {});
  return { kind: 'exists-table', to: to.planTable, where };
}

function tableOf(table: Table, value: Json | undefined): TableRef {
  if (typeof value === 'string') return { schema: 'public', name: value };
  if (isObject(value) && typeof value['name'] === 'string') {
    return { schema: typeof value['schema'] === 'string' ? value['schema'] : 'public', name: value['name'] };
  }
  throw brokenRule(table, '_exists needs a _table');
}

/** Anything but an object of operators is shorthand for equality. */
function isOperators(value: Json): value is JsonObject {
  return isObject(value) && Object.keys(value).every((key) => key.startsWith('_') || key.startsWith('$'));
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(value: Json): readonly Json[] {
  return Array.isArray(value) ? value : [value];
}
