import type { DirectiveNode, DocumentNode, OperationDefinitionNode } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Catalog } from '../catalog/catalog.ts';
import { NearjoinError } from '../core/errors.ts';
import type { RoleName } from '../core/names.ts';
import type { PlanLimits } from '../plan/budget.ts';
import { variableShape } from '../plan/operation/shape.ts';
import {
  coerceVariables,
  type PreparedVariables,
  prepareVariables,
  VariableScope,
  type Variables,
} from '../plan/operation/variables.ts';
import type { QueryPlan } from '../plan/plan.ts';
import { planQuery } from '../plan/plan-query.ts';
import type { AllowList } from './allow-list.ts';
import { DocumentCache, type DocumentLimits, operationOf, type ParsedDocument } from './documents.ts';
import { type FreshnessDirective, freshnessNode, readFreshness } from './freshness-directive.ts';

/** One request for an operation, by whom and against which catalog. */
export interface OperationRequest {
  readonly query: string;
  readonly operationName: string | null;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly role: RoleName;
  readonly catalog: Catalog;
  /** How it came: subscriptions need a socket; administrators may have any operation explained. */
  readonly over: 'http' | 'socket' | 'explain';
}

/** An operation ready to run: planned for the role, its variables filled in. */
export interface PreparedOperation<Compiled> {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Variables;
  readonly plan: QueryPlan;
  readonly compiled: Compiled;
  readonly freshness: FreshnessDirective | null;
}

/** How many plans are kept, and how many fields and conditions all of them together may have. */
export interface PlanCacheLimits {
  readonly maxPlans: number;
  readonly maxKeptNodes: number;
}

export interface OperationOptions<Compiled> {
  readonly documents: DocumentLimits;
  readonly plans: PlanCacheLimits;
  readonly limits: PlanLimits;
  readonly compile: (plan: QueryPlan) => Compiled;
  /** Null where all operations may be run. */
  readonly allowList: AllowList | null;
}

/** A plan, and what the read lane has made of it. */
interface KeptPlan<Compiled> {
  readonly plan: QueryPlan;
  readonly compiled: Compiled;
}

/** What is known of one operation of a document before any request. */
interface OperationFacts<Compiled> {
  /** All declared variables and their uses. */
  readonly variables: PreparedVariables;
  /** The variables whose values can lead to another plan: all but those used in `@freshness` alone. */
  readonly shaping: PreparedVariables;
  readonly freshness: DirectiveNode | null;
  /** The plan used last: the next request mostly wants the same one, and so finds it without building and hashing a key. */
  last: { readonly key: PlanKey; readonly kept: KeptPlan<Compiled> } | null;
}

/** An operation with the variables of one request. */
interface Bound<Compiled> {
  readonly parsed: ParsedDocument;
  readonly operation: OperationDefinitionNode;
  readonly facts: OperationFacts<Compiled>;
  readonly variables: Variables;
}

/**
 * Only plans up to this size are also kept as the last of their operation: a short text with fragments can make a plan of
 * thousands of fields.
 */
const SMALL_PLAN = 300;

/** All that a plan of one operation depends on. */
interface PlanKey {
  readonly generation: Catalog['generation'];
  readonly role: RoleName;
  readonly shape: string;
}

/** Parses and plans every operation once per role, catalog generation and shape of its variables. */
export class Operations<Compiled> {
  readonly #options: OperationOptions<Compiled>;
  readonly #documents: DocumentCache;
  readonly #facts: WeakMap<OperationDefinitionNode, OperationFacts<Compiled>> = new WeakMap();
  readonly #plans: LRUCache<string, KeptPlan<Compiled>>;

  constructor(options: OperationOptions<Compiled>) {
    this.#options = options;
    this.#documents = new DocumentCache(options.documents);
    this.#plans = new LRUCache({
      max: options.plans.maxPlans,
      maxSize: options.plans.maxKeptNodes,
      sizeCalculation: ({ plan }) => plan.nodes + 1,
    });
  }

  /** The prepared operation; throws Hasura's errors for texts, operations and variables that do not fit. */
  prepare(request: OperationRequest): PreparedOperation<Compiled> {
    try {
      return this.#prepare(request);
    } catch (error) {
      // The stack overflowed over a value nested thousands deep; everything reasonable meets a limit before.
      if (!(error instanceof RangeError)) throw error;
      throw new NearjoinError('query-too-complex', 'query is too complex: nested too deep', { cause: error });
    }
  }

  #prepare(request: OperationRequest): PreparedOperation<Compiled> {
    const parsed = this.#documents.parse(request.query);
    if (request.over !== 'explain') this.#options.allowList?.refuseUnlisted(parsed, request);
    const operation = operationOf(parsed, request.operationName);
    refuseUnanswerable(operation, request.over);
    const facts = this.#factsOf(parsed, operation);
    const variables = coerceVariables(facts.variables, request.variables);
    const { plan, compiled } = this.#planFor(request, { parsed, operation, facts, variables });
    const freshness =
      facts.freshness === null
        ? null
        : readFreshness(facts.freshness, new VariableScope(facts.variables, variables));
    return { document: parsed.document, operation, variables, plan, compiled, freshness };
  }

  #factsOf({ document }: ParsedDocument, operation: OperationDefinitionNode): OperationFacts<Compiled> {
    const known = this.#facts.get(operation);
    if (known !== undefined) return known;
    const variables = prepareVariables(document, operation);
    const bare = {
      ...operation,
      directives: operation.directives?.filter(({ name }) => name.value !== 'freshness') ?? [],
    };
    const freshness = freshnessNode(operation);
    const shaping = freshness === null ? variables : prepareVariables(document, bare);
    const facts = { variables, shaping, freshness, last: null };
    this.#facts.set(operation, facts);
    return facts;
  }

  #planFor({ catalog, role }: OperationRequest, bound: Bound<Compiled>): KeptPlan<Compiled> {
    const { facts, parsed, operation, variables } = bound;
    const shape = variableShape(facts.shaping, variables);
    const { last } = facts;
    const { generation } = catalog;
    if (last?.key.shape === shape && last.key.generation === generation && last.key.role === role)
      return last.kept;
    const key = `${parsed.id}/${parsed.operations.indexOf(operation)}/${generation}/${role}\0${shape}`;
    const kept = this.#plans.get(key) ?? this.#plan(key, { catalog, role }, bound);
    if (kept.plan.nodes <= SMALL_PLAN) facts.last = { key: { generation, role, shape }, kept };
    return kept;
  }

  #plan(
    key: string,
    { catalog, role }: Pick<OperationRequest, 'catalog' | 'role'>,
    { facts, parsed: { document }, operation, variables: values }: Bound<Compiled>,
  ): KeptPlan<Compiled> {
    const variables = new VariableScope(facts.variables, values);
    const { limits } = this.#options;
    const plan = planQuery({ catalog, role, document, operation, variables, limits });
    const kept = { plan, compiled: this.#options.compile(plan) };
    this.#plans.set(key, kept);
    return kept;
  }
}

function refuseUnanswerable({ operation }: OperationDefinitionNode, over: OperationRequest['over']): void {
  if (operation === 'mutation') throw new NearjoinError('validation-failed', 'no mutations exist');
  if (operation === 'subscription' && over === 'http') {
    const message = 'subscriptions are not supported over HTTP, use websockets instead';
    throw new NearjoinError('unexpected-payload', message);
  }
}
