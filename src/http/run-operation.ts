import type { Catalog } from '../catalog/catalog.ts';
import type { Snapshot } from '../catalog/watch.ts';
import type { Clock } from '../core/clock.ts';
import type { JsonText } from '../core/json-text.ts';
import type { Operations, PreparedOperation } from '../graphql/operations.ts';
import type { Metrics } from '../ops/metrics.ts';
import type { Log } from '../ops/log.ts';
import { bindParams } from '../plan/bind.ts';
import type { CompiledPlan } from '../read/compiled-plan.ts';
import type { FreshnessRequest } from '../read/freshness.ts';
import type { ReadLane } from '../read/read-lane.ts';
import { publicError } from './error-reply.ts';
import { withDirective } from './freshness-headers.ts';
import type { OperationResult } from './graphql-reply.ts';
import type { GraphqlRequest } from './graphql-request.ts';
import type { IntrospectionAnswers } from './introspection-answers.ts';
import type { RequestNotes } from './request-notes.ts';
import type { Session } from './session.ts';

/** What holds for every operation of one HTTP request. */
export interface RunContext {
  readonly session: Session;
  readonly freshness: FreshnessRequest;
  readonly signal: AbortSignal;
  readonly notes: RequestNotes | null;
}

export interface OperationRunnerOptions {
  readonly catalog: () => Snapshot;
  readonly operations: Operations<CompiledPlan>;
  readonly lane: ReadLane;
  readonly introspection: IntrospectionAnswers;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** Runs GraphQL operations: prepared from the cache, answered by the read lane, counted and noted for the log. */
export class OperationRunner {
  readonly #options: OperationRunnerOptions;

  constructor(options: OperationRunnerOptions) {
    this.#options = options;
  }

  /** Never throws: an operation of a batch fails alone. */
  async run(request: GraphqlRequest, context: RunContext): Promise<OperationResult> {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const result = await this.#attempt(request, context);
    const elapsedMs = clock.monotonicMs() - startedMs;
    this.#count(result, elapsedMs);
    context.notes?.operations.push({
      name: request.operationName,
      ms: Math.round(elapsedMs * 1000) / 1000,
      code: result.kind === 'error' ? result.error.code : null,
      routes: result.kind === 'data' ? result.targets.map(({ target, route, detail }) => `${target}:${route}:${detail}`) : [],
    });
    return result;
  }

  async #attempt(request: GraphqlRequest, context: RunContext): Promise<OperationResult> {
    try {
      // One snapshot for the whole operation: it sees one version of the metadata.
      const { catalog } = this.#options.catalog();
      const prepared = this.prepare(request, context.session, catalog);
      const { data, targets } = await this.#options.lane.run({
        plan: prepared.compiled,
        values: bindParams(prepared.plan, prepared.variables, context.session.variables),
        introspection: this.#introspect(prepared, context.session, catalog),
        freshness: withDirective(context.freshness, prepared.freshness),
        signal: context.signal,
      });
      return { kind: 'data', data, targets };
    } catch (error) {
      const known = publicError(error);
      // The cause of anything unforeseen is for the log alone.
      if (known.code === 'unexpected') this.#options.log.error({ err: error }, 'operation failed');
      return { kind: 'error', error: known };
    }
  }

  /** Parses, checks and plans one request for the session's role. */
  prepare(request: GraphqlRequest, session: Session, catalog: Catalog): PreparedOperation<CompiledPlan> {
    return this.#options.operations.prepare({ ...request, role: session.role, catalog });
  }

  #introspect(prepared: PreparedOperation<CompiledPlan>, session: Session, catalog: Catalog): readonly JsonText[] {
    if (!prepared.plan.roots.some((root) => root.kind === 'introspection')) return [];
    return this.#options.introspection.answer(catalog, session.role, prepared);
  }

  #count(result: OperationResult, elapsedMs: number): void {
    const { metrics } = this.#options;
    metrics.operation({ operationType: 'query', failed: result.kind === 'error', seconds: elapsedMs / 1000 });
    if (result.kind === 'error') return;
    for (const { target, route, detail } of result.targets) metrics.route(target, route, detail);
  }
}
