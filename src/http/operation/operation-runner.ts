import { limitsOf, type RoleLimits } from '../../catalog/part/api-limits.ts';
import type { Endpoint } from '../../catalog/part/endpoints.ts';
import { NearjoinError } from '../../core/errors.ts';
import { ADMIN, type RoleName, type SourceName } from '../../core/names.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import { nextTurn } from '../../core/waiting/next-turn.ts';
import { Repeats } from '../../core/waiting/repeats.ts';
import { within } from '../../core/waiting/under.ts';
import { openApi } from '../../graphql/open-api.ts';
import type { Log } from '../../ops/log.ts';
import type { Metrics } from '../../ops/metrics.ts';
import { isForOperators, StatementOutdated } from '../../read/error-mapping.ts';
import type { ExplainedRoot } from '../../read/explain.ts';
import type { ReadLane } from '../../read/read-lane.ts';
import type { Session } from '../auth/session.ts';
import { loggedError } from '../error-reply.ts';
import type { OperationResult } from './graphql-reply.ts';
import type { GraphqlRequest } from './graphql-request.ts';
import {
  type Asked,
  type PreparedRead,
  prepareRead,
  type ReadParts,
  type RunContext,
} from './prepare-read.ts';
import { RateLimiter } from './rate-limiter.ts';
import { noteOf } from './request-notes.ts';

/** What running an operation takes, from the catalog to the databases. */
export interface OperationRunnerOptions extends ReadParts {
  /** Looks again at these databases, and says whether there is a newer catalog than that of `generation` then. */
  readonly renewed: (databases: readonly SourceName[], generation: number) => Promise<boolean>;
  readonly clock: Clock;
  readonly lane: ReadLane;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** A plan of so many nodes lets everything else have its turn before statements are written for it: that takes as long again. */
const LARGE_PLAN = 1_000;

const AWAY: ReadonlySet<string> = new Set(['source-unavailable', 'target-unavailable']);

/** Runs GraphQL operations: has them prepared, answered by the read lane, counted, and noted for the log. */
export class OperationRunner {
  readonly #options: OperationRunnerOptions;
  readonly #repeats: Repeats;
  readonly #rates: RateLimiter;

  constructor(options: OperationRunnerOptions) {
    this.#options = options;
    this.#rates = new RateLimiter(options.clock);
    this.#repeats = new Repeats(options.clock);
  }

  /** The REST endpoints that the metadata defines. */
  endpoints(): readonly Endpoint[] {
    return this.#options.catalog().kept.endpoints;
  }

  /** The REST endpoints as an OpenAPI document. */
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

  /** Runs one operation. Never throws, so that one operation of a batch fails alone. */
  async run(request: GraphqlRequest, context: RunContext): Promise<OperationResult> {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const result = await this.#answered(() => {
      this.#admit(context);
      return prepareRead({ request, context, over: 'http' }, this.#options);
    });
    const elapsedMs = clock.monotonicMs() - startedMs;
    this.#count(result, elapsedMs);
    context.notes?.operations.push(noteOf(request.operationName, elapsedMs, result));
    return result;
  }

  /** Takes an answer's bytes back, which have been sent. */
  sent(body: Buffer): void {
    this.#options.lane.giveBack(body);
  }

  /**
   * Prepares an operation from a socket, for the first time or `again` after a change of the catalog; throws Hasura's error
   * when it is wrong.
   */
  prepare(request: GraphqlRequest, context: RunContext, time: 'first' | 'again'): PreparedRead {
    try {
      if (time === 'first') this.#admit(context);
      return prepareRead({ request, context, over: 'socket' }, this.#options);
    } catch (error) {
      this.#options.metrics.operation({ operationType: 'unknown', failed: true, seconds: 0 });
      throw this.#failed(error).error;
    }
  }

  /** Answers a prepared query, by the catalog of now: it may have waited for its turn. Never throws. */
  async answer(prepared: PreparedRead): Promise<OperationResult> {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const result = await this.#answered(() => this.#ofNow(prepared));
    this.#count(result, clock.monotonicMs() - startedMs);
    return result;
  }

  /** How one request would be answered now; throws the error that running it would answer. */
  async explain(request: GraphqlRequest, context: Asked['context']): Promise<readonly ExplainedRoot[]> {
    const { read } = prepareRead({ request, context, over: 'explain' }, this.#options);
    return await this.#options.lane.explain(read);
  }

  #ofNow(prepared: PreparedRead): PreparedRead {
    const isOfNow = prepared.generation === this.#options.catalog().generation;
    return isOfNow ? prepared : prepareRead(prepared.asked, this.#options);
  }

  async #answered(prepare: () => PreparedRead): Promise<OperationResult> {
    let prepared: PreparedRead;
    try {
      prepared = prepare();
    } catch (error) {
      return this.#failed(error);
    }
    if (prepared.read.compiled.plan.nodes > LARGE_PLAN) await nextTurn();
    try {
      const { body, targets } = await this.#read(prepared);
      return { kind: 'data', body, targets };
    } catch (error) {
      return this.#afterFailure(error, prepared);
    }
  }

  /** Plans and reads once more if schema or metadata have changed since the operation was planned; else tells the error. */
  async #afterFailure(error: unknown, prepared: PreparedRead): Promise<OperationResult> {
    try {
      if (!(await this.#isOutdated(error, prepared))) throw error;
      const { body, targets } = await this.#read(prepareRead(prepared.asked, this.#options));
      return { kind: 'data', body, targets };
    } catch (failure) {
      return this.#failed(failure);
    }
  }

  /** Whether the catalog is newer now: it is renewed when a statement did not fit, and a source that is away may have a new address. */
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
    const late = (): NearjoinError => {
      const message = `the operation took longer than the limit of ${limitS} seconds`;
      return new NearjoinError('time-limit-exceeded', message);
    };
    return within({ ms: limitS * 1000, late }, read.signal, (signal) =>
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

  /** At most once a minute for each kind of failure, however often clients repeat what fails. */
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
