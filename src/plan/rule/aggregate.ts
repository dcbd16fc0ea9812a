import type { Relationship, Table } from '../../catalog/catalog.ts';
import { PREDICATE_FUNCTIONS, ruleArguments } from '../../catalog/conditions/predicate-functions.ts';
import { isRecord } from '../../core/json/is-record.ts';
import type { Json, JsonObject } from '../../core/json/json-text.ts';
import type { Place } from '../place/places.ts';
import type { Predicate } from '../plan.ts';
import { and, TRUE } from '../predicates.ts';
import { planRuleTests } from './comparison.ts';
import { brokenRule, type RuleContext } from './context.ts';

/** An aggregate of related rows in a row rule, and how the condition of its `filter` is planned. */
export interface RuleAggregate {
  readonly relationship: Relationship;
  readonly target: Table;
  readonly value: Json;
  readonly planFilter: (to: Place, filter: Json) => Predicate;
}

/** `<relationship>_aggregate: {count: {…}}` in a row rule. */
export function planRuleAggregate(context: RuleContext, aggregate: RuleAggregate): Predicate {
  const { table } = context.place;
  const [first, ...others] = Object.entries(objectOf(aggregate.value, table));
  const called = PREDICATE_FUNCTIONS.find(({ name }) => name === first?.[0]);
  if (first === undefined || called === undefined || others.length > 0)
    throw brokenRule(table, 'exactly one aggregate must be compared');
  const { predicate, arguments: args, distinct, filter } = objectOf(first[1], table);
  const columns = ruleArguments(called, aggregate.target, args);
  if (columns === null) throw brokenRule(aggregate.target, `the arguments do not fit ${called.name}`);
  const tests = planRuleTests(context, called.answers, predicate ?? null);
  return and(
    tests.map((test): Predicate => {
      const { join, to } = context.planning.places.follow(
        context.place,
        aggregate.relationship,
        aggregate.target,
      );
      for (const column of columns) to.read(column);
      const where = filter === undefined ? TRUE : aggregate.planFilter(to, filter);
      const unique = distinct === true && columns.length > 0;
      return {
        kind: 'exists-aggregate',
        function: called.name,
        join,
        to: to.planTable,
        where,
        columns,
        distinct: unique,
        test,
      };
    }),
  );
}

function objectOf(value: Json | undefined, table: Table): JsonObject {
  if (isRecord(value)) return value;
  throw brokenRule(table, 'an aggregate must be an object');
}
