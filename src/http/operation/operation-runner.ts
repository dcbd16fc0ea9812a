import type { Catalog } from '../../catalog/catalog.ts';
import { limitsOf, type RoleLimits } from '../../catalog/part/api-limits.ts';
import type { Endpoint } from '../../catalog/part/endpoints.ts';
import { NearjoinError } from '../../core/errors.ts';
import { ADMIN, type RoleName, type SourceName } from '../../core/names.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import { Repeats } from '../../core/waiting/repeats.ts';
import { openApi } from '../../graphql/open-api.ts';
import type { Operations } from '../../graphql/operations.ts';
import type { SchemaCache } from '../../graphql/schema-cache.ts';
import type { Log } from '../../ops/log.ts';
import type { Metrics } from '../../ops/metrics.ts';
import type { CompiledPlan } from '../../read/compiled-plan.ts';
import { isForOperators, StatementOutdated } from '../../read/error-mapping.ts';
import type { ExplainedRoot } from '../../read/explain.ts';
import type { ReadLane } from '../../read/read-lane.ts';
import type { Session } from '../auth/session.ts';
import { loggedError } from '../error-reply.ts';
import type { OperationResult } from './graphql-reply.ts';
import type { GraphqlRequest } from './graphql-request.ts';
import { RateLimiter } from './rate-limiter.ts';
import { type Asked, type PreparedRead, ReadPreparer, type RunContext } from './read-preparer.ts';
import { within } from './time-limit.ts';

/** What running an operation takes, from the catalog to the databases. */
export interface OperationRunnerOptions {
  readonly catalog: () => Catalog;
  /** Whether there is a newer catalog than a generation, after a look at these databases. */
  readonly renewed: (databases: readonly SourceName[], generation: number) => Promise<boolean>;
  readonly operations: Operations<CompiledPlan>;
  readonly lane: ReadLane;
  readonly schemas: SchemaCache;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

const AWAY: ReadonlySet<string> = new Set(['source-unavailable', 'target-unavailable']);

/** Runs GraphQL operations: prepared from the cache, answered by the read lane, counted and noted for the log. */
export class OperationRunner {
  readonly #options: OperationRunnerOptions;
  readonly #preparer: ReadPreparer;
  readonly #repeats: Repeats;
  readonly #rates: RateLimiter;

  constructor(options: OperationRunnerOptions) {
    this.#options = options;
    const { catalog, operations, schemas, clock } = options;
    this.#preparer = new ReadPreparer({ catalog, operations, schemas, clock });
    this.#rates = new RateLimiter(clock);
    this.#repeats = new Repeats(clock);
  }

  /** The endpoints that have an operation of their own. */
  endpoints(): readonly Endpoint[] {
    return this.#options.catalog().kept.endpoints;
  }

  /** What the endpoints take and answer, as a document of OpenAPI. */
  async openApi(): Promise<unknown> {
    const catalog = this.#options.catalog();
    return openApi(catalog.kept.endpoints, await this.#options.schemas.schema(catalog, ADMIN));
  }

  /** Refuses a batch of more operations than the role may send at once. */
  refuseBatch(size: number, { role }: Session): void {
    const { batch } = this.#limitsOf(role);
    if (batch === null || size <= batch) return;
    const message = `a batch may hold at most ${batch} operations, this one has ${size}`;
    throw new NearjoinError('batch-limit-exceeded', message);
  }

  /** Never throws: an operation of a batch fails alone. */
  async run(request: GraphqlRequest, context: RunContext): Promise<OperationResult> {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    let result: OperationResult;
    try {
      this.#admit(context);
      result = await this.#answered(this.#preparer.prepare({ request, context, over: 'http' }));
    } catch (error) {
      result = this.#failed(error);
    }
    const elapsedMs = clock.monotonicMs() - startedMs;
    this.#count(result, elapsedMs);
    context.notes?.operations.push({ name: request.operationName, elapsedMs, result });
    return result;
  }

  /** An answer's bytes have left: nobody reads them any more. */
  sent(body: Buffer): void {
    this.#options.lane.giveBack(body);
  }

  /** Prepares an operation that came over a socket, or came there before; throws, in Hasura's words, what is wrong with it. */
  prepare(request: GraphqlRequest, context: RunContext, time: 'first' | 'again'): PreparedRead {
    try {
      if (time === 'first') this.#admit(context);
      return this.#preparer.prepare({ request, context, over: 'socket' });
    } catch (error) {
      this.#options.metrics.operation({ operationType: 'unknown', failed: true, seconds: 0 });
      throw this.#failed(error).error;
    }
  }

  /** Answers a prepared query; never throws. */
  async answer(prepared: PreparedRead): Promise<OperationResult> {
    const startedMs = this.#options.clock.monotonicMs();
    const result = await this.#answered(prepared);
    this.#count(result, this.#options.clock.monotonicMs() - startedMs);
    return result;
  }

  /** How one request would be answered now; throws where running it would answer an error. */
  async explain(request: GraphqlRequest, context: Asked['context']): Promise<readonly ExplainedRoot[]> {
    const { read } = this.#preparer.prepare({ request, context, over: 'explain' });
    return await this.#options.lane.explain(read);
  }

  async #answered(prepared: PreparedRead): Promise<OperationResult> {
    try {
      const { body, targets } = await this.#read(prepared);
      return { kind: 'data', body, targets };
    } catch (error) {
      return this.#afterFailure(error, prepared);
    }
  }

  /** Read once more as it is now where the operation met another schema or other metadata than it was planned for. */
  async #afterFailure(error: unknown, prepared: PreparedRead): Promise<OperationResult> {
    try {
      if (!(await this.#isOutdated(error, prepared))) throw error;
      const { body, targets } = await this.#read(this.#preparer.prepare(prepared.asked));
      return { kind: 'data', body, targets };
    } catch (failure) {
      return this.#failed(failure);
    }
  }

  /** What a database no longer knows as the catalog has it is looked at; one that is away may have another name by now. */
  async #isOutdated(error: unknown, { generation }: PreparedRead): Promise<boolean> {
    const { renewed, catalog } = this.#options;
    if (error instanceof StatementOutdated) return renewed(error.databases, generation);
    const isAway = error instanceof NearjoinError && AWAY.has(error.code);
    return isAway && catalog().generation !== generation;
  }

  #limitsOf(role: RoleName): RoleLimits {
    return limitsOf(this.#options.catalog().limits, role);
  }

  #admit({ session, address }: RunContext): void {
    const { rate } = this.#limitsOf(session.role);
    if (rate !== null) this.#rates.admit(rate, session, address);
  }

  #read(prepared: PreparedRead): ReturnType<ReadLane['run']> {
    const { limitS, read, introspect } = prepared;
    if (limitS === null) return this.#readWithin(prepared);
    return within(limitS, read.signal, (signal) =>
      this.#readWithin({ read: { ...read, signal }, introspect }),
    );
  }

  #readWithin({ read, introspect }: Pick<PreparedRead, 'read' | 'introspect'>): ReturnType<ReadLane['run']> {
    const { lane } = this.#options;
    if (introspect === null) return lane.run(read);
    return introspect().then((introspection) => lane.run({ ...read, introspection }));
  }

  #failed(error: unknown): Extract<OperationResult, { kind: 'error' }> {
    const known = loggedError(error, this.#options.log, 'operation failed');
    if (known.code !== 'unexpected' && isForOperators(known)) this.#warn(known);
    return { kind: 'error', error: known };
  }

  /** Once a minute at most for each kind: what clients ask for again and again fails as often. */
  #warn({ code, message, internal }: NearjoinError): void {
    const repeated = this.#repeats.heard(`${code} ${JSON.stringify(internal)}`);
    if (repeated !== null) this.#options.log.warn({ code, message, internal, repeated }, 'operation failed');
  }

  #count(result: OperationResult, elapsedMs: number): void {
    const { metrics } = this.#options;
    metrics.operation({ operationType: 'query', failed: result.kind === 'error', seconds: elapsedMs / 1000 });
    if (result.kind === 'error') return;
    for (const { target, route, detail } of result.targets) metrics.route(target, route, detail);
  }
}
