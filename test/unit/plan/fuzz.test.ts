import fc from 'fast-check';
import { type DocumentNode, Kind, type OperationDefinitionNode, parse, print, visit } from 'graphql';
import { expect, test } from 'vitest';
import { NearjoinError } from '../../../src/core/errors.ts';
import { bindParams } from '../../../src/plan/bind.ts';
import { DEFAULT_PLAN_LIMITS } from '../../../src/plan/budget.ts';
import { variableShape } from '../../../src/plan/operation/shape.ts';
import { coerceVariables, prepareVariables, VariableScope } from '../../../src/plan/operation/variables.ts';
import { planQuery } from '../../../src/plan/plan-query.ts';
import { printPlan } from '../../support/print-plan.ts';
import { SHOP } from './plan-for.ts';

const VALID: readonly DocumentNode[] = [
  '{ order(where: {id: {_in: [1, 2]}, user: {name: {_like: "a"}}}, order_by: {id: desc}, limit: 2, offset: 1) { id user { name } } }',
  'query ($n: Int, $w: item_bool_exp) { item(limit: $n, where: $w) { id tags order { user { boss { name } } } ...F } } fragment F on item { sku @skip(if: false) }',
  '{ order_aggregate(distinct_on: [note]) { aggregate { count(columns: [id], distinct: true) max { note } } nodes { id items_aggregate { aggregate { count } } } } }',
  '{ order_by_pk(id: 3) { extra(path: "$.a") items(where: {_or: [{color: {_eq: red}}, {_not: {tags: {_contains: ["x"]}}}]}) { id } } __typename }',
  '{ order(where: {items_aggregate: {count: {arguments: [sku], distinct: true, filter: {id: {_gt: 1}}, predicate: {_gte: 2}}}}) { id } }',
].map((query) => parse(query));

const NAMES = [
  'id',
  'order',
  'user',
  'items',
  'where',
  '_and',
  '_eq',
  '_in',
  'count',
  'x',
  'asc',
  'nodes',
  'n',
  'w',
  'F',
  'constructor',
];
const VALUES = [
  '1',
  '-1',
  '99999999999',
  '1.5',
  '"a"',
  'true',
  'null',
  'red',
  '[]',
  '[1, "a", null]',
  '{}',
  '{_eq: 1}',
  '{id: {_eq: [1]}}',
  '$n',
  '$w',
  '[$n]',
];

interface Mutation {
  readonly at: number;
  readonly name: string;
  readonly value: string;
  readonly what: 'name' | 'value' | 'drop';
}

const mutation = fc.record({
  at: fc.nat(60),
  name: fc.constantFrom(...NAMES),
  value: fc.constantFrom(...VALUES),
  what: fc.constantFrom('name' as const, 'value' as const, 'drop' as const),
});

function mutated(document: DocumentNode, { at, name, value, what }: Mutation): DocumentNode {
  let count = 0;
  const hit = (): boolean => count++ === at;
  const [definition] = parse(`{ f(v: ${value}) }`).definitions;
  const selection =
    definition?.kind === Kind.OPERATION_DEFINITION ? definition.selectionSet.selections[0] : undefined;
  const literal = selection?.kind === Kind.FIELD ? selection.arguments?.[0]?.value : undefined;
  return visit(document, {
    enter(node) {
      if (!touches(what, node.kind) || !hit()) return undefined;
      if (what === 'name') return { ...node, value: name };
      return what === 'value' ? literal : null;
    },
  }) as DocumentNode;
}

function touches(what: Mutation['what'], kind: string): boolean {
  if (what === 'name') return kind === Kind.NAME;
  return what === 'value' ? isValue(kind) : kind === Kind.ARGUMENT || kind === Kind.OBJECT_FIELD;
}

function isValue(kind: string): boolean {
  return [Kind.INT, Kind.STRING, Kind.ENUM, Kind.LIST, Kind.OBJECT, Kind.BOOLEAN, Kind.VARIABLE].some(
    (known) => known === kind,
  );
}

function operationOf(document: DocumentNode): OperationDefinitionNode | null {
  const found = document.definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  return found?.kind === Kind.OPERATION_DEFINITION ? found : null;
}

interface Tried {
  readonly plan: string;
  readonly shape: string;
}

/** Plans and binds; null when it was refused as it should be. */
function attempt(document: DocumentNode, role: string, given: Record<string, unknown>): Tried | null {
  const operation = operationOf(document);
  if (operation === null) return null;
  try {
    const prepared = prepareVariables(document, operation);
    const variables = coerceVariables(prepared, given);
    const scope = new VariableScope(prepared, variables);
    const limits = DEFAULT_PLAN_LIMITS;
    const plan = planQuery({ catalog: SHOP, role, document, operation, variables: scope, limits });
    bindParams(plan, variables, new Map([['x-hasura-name', 'a']]));
    return { plan: printPlan(plan), shape: variableShape(prepared, variables) };
  } catch (error) {
    if (error instanceof NearjoinError) return null;
    throw new Error(`planning threw something else for ${print(document)}`, { cause: error });
  }
}

test('whatever is asked, the answer is a plan or a located error', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...VALID),
      fc.array(mutation, { maxLength: 4 }),
      fc.constantFrom('admin', 'clerk', 'buyer', 'nobody'),
      fc.record({ n: fc.jsonValue(), w: fc.jsonValue() }, { requiredKeys: [] }),
      (document, mutations, role, variables) => {
        let next = document;
        for (const one of mutations) {
          try {
            next = parse(print(mutated(next, one)));
          } catch {
            return; // the mutation made a document that does not parse: another module's matter
          }
        }
        attempt(next, role, variables);
      },
    ),
    { numRuns: 1500 },
  );
});

const scalar = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.constant(null));
const { condition } = fc.letrec<{ condition: Record<string, unknown> }>((tie) => ({
  condition: fc.dictionary(
    fc.constantFrom('id', 'sku', 'tags', '_and', '_not', '_or', 'order', 'color', 'constructor'),
    fc.oneof(
      { maxDepth: 3 },
      fc.dictionary(
        fc.constantFrom('_eq', '_in', '_is_null', '_like', '_cast'),
        fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })),
        {
          maxKeys: 2,
        },
      ),
      tie('condition'),
      fc.array(tie('condition'), { maxLength: 2 }),
    ),
    { maxKeys: 2 },
  ),
}));

test('variables of one shape lead to one plan', () => {
  const document = parse('query ($w: item_bool_exp, $n: Int) { item(where: $w, limit: $n) { id } }');
  const plans = new Map<string, string>();
  fc.assert(
    fc.property(condition, fc.option(fc.nat(3)), (w, n) => {
      const tried = attempt(document, 'admin', { w, n });
      if (tried === null) return;
      expect(plans.get(tried.shape) ?? tried.plan).toBe(tried.plan);
      plans.set(tried.shape, tried.plan);
    }),
    { numRuns: 3000 },
  );
  expect(plans.size).toBeGreaterThan(10);
});
