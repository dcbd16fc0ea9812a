import type { DocumentNode, OperationDefinitionNode } from 'graphql';
import { callOf } from '../catalog/call/function-arguments.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { limitsOf } from '../catalog/part/api-limits.ts';
import { NearjoinError } from '../core/errors.ts';
import type { RoleName } from '../core/names.ts';
import { Budget, type PlanLimits } from './budget.ts';
import { ComputedColumns } from './call/computed-columns.ts';
import { planArguments } from './call/function-call.ts';
import {
  type CollectedField,
  checkArguments,
  checkIsLeaf,
  collectFields,
  planTypename,
  unknownField,
} from './operation/collect.ts';
import { checkCached } from './operation/directives.ts';
import { checkedFragments } from './operation/fragments.ts';
import { checkDirectives } from './operation/known-directives.ts';
import type { VariableScope } from './operation/variables.ts';
import { Params } from './params.ts';
import { Places } from './place/places.ts';
import type { QueryPlan, RootField } from './plan.ts';
import type { Planning } from './planning.ts';
import { invalid } from './problem.ts';
import type { VisibleRootField } from './role/visible.ts';
import type { VisibleFunctionField } from './role/visible-calls.ts';
import {
  findIn,
  findRoot,
  hasAnyRoot,
  type Namespace,
  NO_QUERIES,
  type SourceField,
} from './role/visible-roots.ts';
import { planByPk } from './root/by-pk.ts';
import { ENTITIES, planEntities, planService, SERVICE, visibleEntities } from './root/entities.ts';
import { planStream } from './root/stream.ts';
import { streamIn } from './root/stream-in.ts';
import { planAggregateField, planList } from './select/select.ts';
import { Representations } from './value/representations.ts';

/** An operation of a parsed document, and for whom it is planned. */
export interface PlanInput {
  readonly catalog: Catalog;
  readonly role: RoleName;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: VariableScope;
  readonly limits: PlanLimits;
}

const ONE_FIELD = 'subscriptions must select one top level field';

/**
 * Plans an operation for a role; the plan holds for all variables of the same `variableShape`. Throws what Hasura
 * would answer for an operation that does not fit the role's schema.
 */
export function planQuery(input: PlanInput): QueryPlan {
  const { catalog, role, document, operation, variables, limits } = input;
  if (operation.operation === 'mutation') throw invalid('$', 'no mutations exist');
  const isQuery = operation.operation === 'query';
  checkDirectives(operation.directives, isQuery ? 'a query' : 'a subscription', '$');
  checkCached(variables, operation.directives);
  const budget = new Budget(limits, limitsOf(catalog.limits, role));
  const fragments = checkedFragments(document, operation, budget);
  const [params, places] = [new Params(), new Places(catalog, budget)];
  const planning: Planning = {
    catalog,
    role,
    rootType: isQuery ? 'query_root' : 'subscription_root',
    fragments,
    variables,
    params,
    places,
    budget,
    computed: new ComputedColumns(),
    representations: new Representations(),
    guards: new Map(),
    printed: new WeakMap(),
  };
  const roots = planRoots(planning, operation);
  const remotes = places.close();
  const cursor = streamIn(roots)?.cursor ?? null;
  return {
    role,
    roots,
    params: params.list(),
    cursor,
    sessionVariables: params.sessionVariables(),
    remotes,
    nodes: budget.nodes + params.weight,
  };
}

function planRoots(planning: Planning, operation: OperationDefinitionNode): readonly RootField[] {
  const { rootType } = planning;
  const fields = collectFields(planning, [operation.selectionSet], rootType, { path: '$', depth: 0 });
  planning.budget.rootFields(fields.length);
  if (rootType === 'subscription_root') return [planSubscribed(planning, fields)];
  let introspections = 0;
  return fields.flatMap((field): RootField | readonly RootField[] => {
    const isService = planning.catalog.entities !== null && field.name === SERVICE;
    if (isService || field.name === '__schema' || field.name === '__type') {
      checkIntrospection(planning);
      introspections += 1;
      const service = isService ? planService(planning, field) : null;
      return { kind: 'introspection', key: field.key, index: introspections - 1, service };
    }
    if (field.name === ENTITIES && visibleEntities(planning.catalog, planning.role).length > 0)
      return planEntities(planning, field);
    return planConstant(planning, field) ?? planNamed(planning, field);
  });
}

/** Refuses a subscription of several root fields, or of one that can never change. */
function planSubscribed(planning: Planning, [field, ...others]: readonly CollectedField[]): RootField {
  if (field === undefined || others.length > 0) throw invalid('$', ONE_FIELD);
  if (field.name === '__typename')
    throw new NearjoinError('not-supported', 'Introspection is not supported over subscriptions');
  return planNamed(planning, field);
}

function planNamed(planning: Planning, field: CollectedField): RootField {
  const found = findRoot(planning, field.name);
  if (found === null) throw unknownField(field, planning.rootType);
  return found.kind === 'namespace'
    ? planNamespace(planning, field, found)
    : planOfSource(planning, field, found);
}

function planConstant(planning: Planning, field: CollectedField): RootField | null {
  if (field.name !== NO_QUERIES.name) return planTypename(field, planning.rootType);
  if (hasAnyRoot(planning)) return null;
  checkArguments(field, []);
  checkIsLeaf(field);
  return { kind: 'constant', key: field.key, json: JSON.stringify(NO_QUERIES.text) };
}

function checkIntrospection({ catalog, role }: Planning): void {
  if (!catalog.introspectionDisabledFor.has(role)) return;
  throw new NearjoinError('not-supported', `introspection is disabled for role: ${JSON.stringify(role)}`);
}

function planNamespace(planning: Planning, field: CollectedField, { source, type }: Namespace): RootField {
  checkArguments(field, []);
  const parts = collectFields(planning, field.sets, type, field.at);
  planning.budget.rootFields(parts.length);
  const fields = parts.map((part) => {
    const found = findIn(planning, source, part.name);
    const planned = planTypename(part, type) ?? (found === null ? null : planOfSource(planning, part, found));
    if (planned === null) throw unknownField(part, type);
    return planned;
  });
  if (fields.length > 1 && streamIn(fields) !== null) throw invalid('$', ONE_FIELD);
  return { kind: 'object', key: field.key, fields };
}

function planOfSource(planning: Planning, field: CollectedField, found: SourceField): RootField {
  return 'called' in found ? planFunction(planning, field, found) : planTable(planning, field, found);
}

/** A root field whose rows come from a call; everything else is as for a table. */
function planFunction(
  planning: Planning,
  field: CollectedField,
  { kind, called, target }: VisibleFunctionField,
): RootField {
  const { key } = field;
  const { args, rest } = planArguments(planning, called, field);
  const call = { ...callOf(called.signature, args), set: called.set };
  const place = planning.places.open(target.table, { rootSource: called.source, options: null }, call);
  const rows = { view: target, place };
  if (kind === 'aggregate')
    return { kind: 'aggregate', key, aggregate: planAggregateField(planning, rows, rest) };
  return { kind: called.set ? 'list' : 'one', key, select: planList(planning, rows, rest) };
}

function planTable(planning: Planning, field: CollectedField, { kind, target }: VisibleRootField): RootField {
  const { key } = field;
  const place = planning.places.open(target.table, { rootSource: target.table.source, options: null });
  const rows = { view: target, place };
  switch (kind) {
    case 'select':
      return { kind: 'list', key, select: planList(planning, rows, field) };
    case 'select_by_pk':
      return { kind: 'one', key, select: planByPk(planning, rows, field) };
    case 'select_stream':
      return { kind: 'stream', key, ...planStream(planning, rows, field) };
    default:
      return { kind: 'aggregate', key, aggregate: planAggregateField(planning, rows, field) };
  }
}
