import { NearjoinError } from '../../core/errors.ts';
import { Stop } from '../../core/waiting/stop-signal.ts';
import type { LiveQueries, Subscription } from '../../subscribe/live-queries.ts';
import { AT_START, type LiveAnswer, type Progress } from '../../subscribe/live-query.ts';
import { graphqlErrorJson, publicError } from '../error-reply.ts';
import { answerBody, type BodyFormat, type OperationResult } from '../operation/graphql-reply.ts';
import { type GraphqlRequest, requestOf } from '../operation/graphql-request.ts';
import type { OperationRunner } from '../operation/operation-runner.ts';
import type { PreparedRead, RunContext } from '../operation/prepare-read.ts';
import type { Outbox } from './outbox.ts';
import { around, errorsOf, type Protocol } from './protocol.ts';

/** What the operations of one connection share. */
export interface OperationScope {
  readonly protocol: Protocol;
  readonly outbox: Outbox;
  readonly runner: Pick<OperationRunner, 'prepare' | 'answer'>;
  readonly live: LiveQueries;
  readonly context: Omit<RunContext, 'signal' | 'notes'>;
  readonly format: BodyFormat;
  readonly requestTimeoutMs: number;
  /** Runs a query when its turn has come. */
  readonly inTurn: (work: () => Promise<OperationResult>, stop: Stop) => Promise<OperationResult>;
}

/** One operation of a connection, from its start to its end. */
export class SocketOperation {
  readonly #scope: OperationScope;
  readonly #id: string;
  readonly #payload: unknown;
  readonly #onEnd: () => void;
  readonly #stop = new Stop();
  #subscription: Subscription | null = null;
  /** How far a subscription has come that is to be planned anew. */
  #held: Progress | null = null;
  #isStopped = false;

  /** `onEnd` is called when it ends by itself, after the client was told. */
  constructor(scope: OperationScope, id: string, payload: unknown, onEnd: () => void) {
    this.#scope = scope;
    this.#id = id;
    this.#payload = payload;
    this.#onEnd = onEnd;
  }

  /** Answers a query once, or begins to follow a subscription. */
  async start(): Promise<void> {
    if (this.#isStopped) return;
    const prepared = this.#prepare('first');
    if (prepared === null) return;
    if (prepared.isSubscription) this.#subscribe(prepared, AT_START);
    else await this.#answer(prepared);
  }

  /** Ends it without telling the client, which asked for that or is gone. */
  stop(): void {
    this.#isStopped = true;
    this.#stop.abort(new NearjoinError('timed-out', 'the client stopped the operation'));
    this.#subscription?.leave();
  }

  /** A subscription is read no more until it is planned anew, since the schema may have changed. */
  hold(): void {
    if (this.#subscription === null) return;
    this.#held = this.#subscription.leave();
    this.#subscription = null;
  }

  /** Plans anew what is held; it continues if it is still allowed. */
  replan(): void {
    const progress = this.#held;
    this.#held = null;
    if (progress === null || this.#isStopped) return;
    const prepared = this.#prepare('again');
    if (prepared !== null) this.#subscribe(prepared, progress);
  }

  /** Offers the newest answer again: the client reads again after it was behind. */
  catchUp(): void {
    this.#subscription?.catchUp();
  }

  /** Null when it was refused; the client has been told. */
  #prepare(time: 'first' | 'again'): PreparedRead | null {
    const { runner, context } = this.#scope;
    try {
      const request: GraphqlRequest = requestOf(this.#payload, '$');
      return runner.prepare(request, { ...context, signal: this.#stop, notes: null }, time);
    } catch (error) {
      this.#finish(this.#scope.protocol.refusedOperation(this.#id, this.#errorJson(error)));
      return null;
    }
  }

  #subscribe({ read }: PreparedRead, from: Progress): void {
    const { compiled, values, introspection, freshness } = read;
    const query = { compiled, values, introspection, freshness };
    this.#subscription = this.#scope.live.subscribe(query, { take: (answer) => this.#take(answer) }, from);
  }

  #take(answer: LiveAnswer): boolean {
    if (this.#scope.outbox.isFull) return false;
    const payload =
      answer.kind === 'data'
        ? answerBody(answer, this.#scope.format)
        : Buffer.from(errorsOf(this.#errorJson(answer.error)));
    this.#sendAnswer(payload);
    return true;
  }

  async #answer(prepared: PreparedRead): Promise<void> {
    const { inTurn, runner, requestTimeoutMs } = this.#scope;
    const timer = setTimeout(() => {
      this.#stop.abort(
        new NearjoinError('timed-out', `the operation took longer than ${requestTimeoutMs} ms`),
      );
    }, requestTimeoutMs);
    try {
      this.#sendResult(await inTurn(() => runner.answer(prepared), this.#stop));
    } catch (error) {
      // It was ended before its turn came.
      this.#sendResult({ kind: 'error', error: publicError(error) });
    } finally {
      clearTimeout(timer);
    }
  }

  #sendResult(result: OperationResult): void {
    if (this.#isStopped) return;
    const { protocol, format } = this.#scope;
    if (result.kind === 'error') {
      this.#finish(protocol.failedQuery(this.#id, this.#errorJson(result.error)));
      return;
    }
    this.#sendAnswer(answerBody(result, format));
    this.#finish([protocol.completed(this.#id)]);
  }

  #sendAnswer(payload: Buffer): void {
    this.#scope.outbox.sendAround(payload, around(this.#scope.protocol, this.#id));
  }

  #finish(texts: readonly string[]): void {
    for (const text of texts) this.#scope.outbox.sendText(text);
    this.#onEnd();
  }

  #errorJson(error: unknown): ReturnType<typeof graphqlErrorJson> {
    return graphqlErrorJson(publicError(error), this.#scope.format.showsInternal);
  }
}
