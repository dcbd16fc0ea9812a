import { NearjoinError } from '../core/errors.ts';
import type { Clock } from '../core/waiting/clock.ts';
import { Stop, type StopSignal } from '../core/waiting/stop-signal.ts';
import { within } from '../core/waiting/under.ts';
import type { ReadAnswer, ReadRequest } from '../read/read-request.ts';
import { ConnectionLost } from '../read/wire/failure.ts';
import {
  bothOf,
  cursorOf,
  dataAnswer,
  errorAnswer,
  isEmptyBatch,
  type LiveAnswer,
  type LiveQuery,
  livePositions,
  NOTHING_SHOWN,
  notBehind,
  type Progress,
} from './live-query.ts';
import type { Rounds } from './rounds.ts';

/** Somebody who gets the answers of a live query. */
export interface Subscriber {
  /** Takes an answer; false when it cannot take one now, and is offered the newest one later. It does not leave during the call. */
  take(answer: LiveAnswer): boolean;
}

/** How a reading ended, for the counters. */
export type RunOutcome = 'changed' | 'same' | 'failed';

/** What cohorts work with. */
export interface CohortParts {
  readonly run: (request: ReadRequest) => Promise<ReadAnswer>;
  readonly clock: Clock;
  readonly pace: Pace;
  readonly onRun: (outcome: RunOutcome) => void;
  /** These subscribers have taken a batch of a stream: they continue behind it, after a rest. */
  readonly onBatch: (cohort: Cohort, batch: TakenBatch) => void;
}

/** A batch of a stream, and who has taken it. */
export interface TakenBatch {
  readonly by: readonly Subscriber[];
  readonly cursor: string;
  readonly before: Before;
}

/** What was read before a cohort's first reading. */
export interface Before {
  readonly restMs: number;
  /** What the last reading took that was answered. */
  readonly lastMs: number | null;
}

/** Nothing was. */
export const NOTHING_BEFORE: Before = { restMs: 0, lastMs: null };

/** How often a live query is read. */
export interface Pace {
  /** The usual pause between two readings. */
  readonly refetchMs: number;
  /** The shortest pause between two readings, however urgent the second is. */
  readonly spacingMs: number;
  /** Longest pause after failures in a row. */
  readonly backOffMs: number;
  /** Longest reading. */
  readonly runMs: number;
}

/** A live query is read for at most a fifth of the time, however often it is woken; see `#leastRest`. */
const REST_PER_RUN = 4;

/** All subscribers of one live query: it is read once for all of them. */
export class Cohort {
  readonly key: string;
  readonly query: LiveQuery;
  readonly #parts: CohortParts;
  /** Every subscriber, and the digest of the answer it took last. */
  readonly #members = new Map<Subscriber, string | null>();
  /** Subscribers for which no reading has begun yet. */
  readonly #newcomers = new Set<Subscriber>();
  /** What subscribers were shown in the cohorts that they came from. */
  #shownToNewcomers: Progress['shown'] = NOTHING_SHOWN;
  /** Aborts once, when nobody is left. */
  readonly #ended = new Stop();
  #lastDigest: string | null = null;
  /** Positions of the rows last read live: a cache that is not that far would show subscribers an older state again. */
  #shown: Progress['shown'] = NOTHING_SHOWN;
  #failures = 0;
  #lastMs: Before['lastMs'] = null;
  #woken = false;
  #resting: Stop | null = null;

  /** `key` names the query among all. */
  constructor(key: string, query: LiveQuery, parts: CohortParts) {
    this.key = key;
    this.query = query;
    this.#parts = parts;
  }

  /** Adds a subscriber: it is offered what is read from now on, never what it has already, nor anything older than what it was shown. */
  join(subscriber: Subscriber, { digest, shown }: Omit<Progress, 'cursor'>): void {
    this.#members.set(subscriber, digest);
    this.#newcomers.add(subscriber);
    this.#shownToNewcomers = bothOf(this.#shownToNewcomers, shown);
    this.wake();
  }

  /** Takes a subscriber out; returns how far it has come. */
  leave(subscriber: Subscriber): Progress {
    const digest = this.#members.get(subscriber) ?? null;
    this.#members.delete(subscriber);
    const shown = this.#newcomers.delete(subscriber)
      ? bothOf(this.#shown, this.#shownToNewcomers)
      : this.#shown;
    return { digest, cursor: cursorOf(this.query), shown };
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** Ends it for good: nothing is read any more. */
  end(): void {
    this.#ended.abort(new NearjoinError('timed-out', 'nobody subscribes any more'));
    this.#resting?.abort(null);
  }

  /** Has it read as soon as the pace allows: its rows may have changed, or somebody waits for an answer. */
  wake(): void {
    this.#woken = true;
    this.#resting?.abort(null);
  }

  /** Reads again and again, first after a rest, until it is ended. */
  async follow(rounds: Rounds, { restMs, lastMs }: Before): Promise<void> {
    const { clock } = this.#parts;
    this.#lastMs = lastMs;
    if (restMs > 0) await clock.delay(restMs, this.#ended);
    while (!this.#ended.aborted) {
      // Each reading of a round is charged its share: they were worked at side by side.
      let shareMs = 0;
      const answer = await rounds
        .take(
          this.query.compiled,
          async (together) => {
            const startedMs = clock.monotonicMs();
            const read = await this.#readAnew();
            shareMs = (clock.monotonicMs() - startedMs) / together;
            return read;
          },
          this.#ended,
        )
        .catch((error: unknown) => errorAnswer(error));
      if (this.#ended.aborted) return;
      const leastMs = this.#leastRest(answer, shareMs);
      this.#deliver(answer, leastMs);
      await this.#rest(leastMs);
    }
  }

  /** This reading does not serve those who join, or wake it, from here on. */
  #readAnew(): Promise<LiveAnswer> {
    this.#woken = false;
    this.#admitNewcomers();
    return this.#read();
  }

  #admitNewcomers(): void {
    this.#newcomers.clear();
    this.#shown = bothOf(this.#shown, this.#shownToNewcomers);
    this.#shownToNewcomers = NOTHING_SHOWN;
  }

  async #read(): Promise<LiveAnswer> {
    const { runMs } = this.#parts.pace;
    const late = (): NearjoinError =>
      new NearjoinError('timed-out', `the subscription took longer than ${runMs} ms to read`);
    try {
      const answer = await within({ ms: runMs, late }, this.#ended, (signal) => this.#run(signal));
      this.#shown = livePositions(answer);
      return dataAnswer(answer);
    } catch (error) {
      return errorAnswer(error);
    }
  }

  async #run(signal: StopSignal): Promise<ReadAnswer> {
    const { run } = this.#parts;
    try {
      return await run({ ...notBehind(this.query, this.#shown), signal });
    } catch (error) {
      if (this.#shown.size === 0 || isOfSource(error)) throw error;
      // What was shown is lost, or its database is down: an older state is better than none.
      return run({ ...this.query, signal });
    }
  }

  #deliver(answer: LiveAnswer, restMs: number): void {
    const isEmpty = isEmptyBatch(answer, this.query);
    this.#count(answer, isEmpty);
    if (isEmpty) return this.#forgetFailures();
    const took = this.#offer(answer);
    if (answer.kind === 'error' || answer.cursor === null || took.length === 0) return;
    const before = { restMs, lastMs: this.#lastMs };
    this.#parts.onBatch(this, { by: took, cursor: answer.cursor, before });
  }

  #count(answer: LiveAnswer, isEmpty: boolean): void {
    const isFailure = answer.kind === 'error';
    this.#failures = isFailure ? this.#failures + 1 : 0;
    const isNew = !isEmpty && answer.digest !== this.#lastDigest;
    this.#lastDigest = answer.digest;
    this.#parts.onRun(isFailure ? 'failed' : isNew ? 'changed' : 'same');
  }

  /** Asked is each of them: one that joined or fell behind needs what others have. */
  #offer(answer: LiveAnswer): readonly Subscriber[] {
    const took: Subscriber[] = [];
    for (const [subscriber, seen] of this.#members) {
      if (this.#newcomers.has(subscriber) || seen === answer.digest || !subscriber.take(answer)) continue;
      this.#members.set(subscriber, answer.digest);
      took.push(subscriber);
    }
    return took;
  }

  /** An empty batch is not sent; a failure after it is news all the same. */
  #forgetFailures(): void {
    for (const subscriber of this.#members.keys()) this.#members.set(subscriber, null);
  }

  /**
   * A newcomer is answered at once, like a query. A reading that took longer than the one before has waited for the
   * network, perhaps: resting for it too would keep subscribers behind long after. What is slow twice is work, and rested
   * for however long it took, or else the longest readings would leave a database the least time. One that found no
   * database has not worked: what follows it is the back-off's.
   */
  #leastRest(answer: LiveAnswer, tookMs: number): number {
    const { spacingMs } = this.#parts.pace;
    if (answer.kind === 'error' && isOfConnection(answer.error)) return spacingMs;
    const chargedMs = Math.min(tookMs, this.#lastMs ?? tookMs);
    this.#lastMs = tookMs;
    return this.#newcomers.size > 0 ? spacingMs : Math.max(spacingMs, chargedMs * REST_PER_RUN);
  }

  /** Rests for as long as the pace demands, then until woken or until it is time. */
  async #rest(least: number): Promise<void> {
    const { refetchMs, backOffMs } = this.#parts.pace;
    const backedOff = Math.min(refetchMs * 2 ** Math.min(this.#failures, 10), Math.max(refetchMs, backOffMs));
    await this.#parts.clock.delay(least, this.#ended);
    if (this.#woken || this.#ended.aborted) return;
    this.#resting = new Stop();
    await this.#parts.clock.delay(Math.max(0, backedOff - least), this.#resting);
    this.#resting = null;
  }
}

/** Whether nobody answered; a database that did, though with a failure, may have worked for long. */
function isOfConnection(error: unknown): boolean {
  return error instanceof ConnectionLost || (error instanceof NearjoinError && isOfConnection(error.cause));
}

/** Without its source there is no older state either; should it be back by now, it is asked for what is due. */
function isOfSource(error: unknown): boolean {
  return error instanceof NearjoinError && error.code === 'source-unavailable';
}
