import { type FeedRequests, finishResync } from '../../cache/feed/requests.ts';
import { loadFeed, saveFeedState } from '../../cache/feed/row.ts';
import { forgetProof, giveUpCache } from '../../cache/feed/watermark.ts';
import { firstOf } from '../../core/waiting/first-of.ts';
import { Notifier, restUnless } from '../../core/waiting/notifier.ts';
import { AnotherStream, EarlyRefused, UnknownPartition } from '../interruptions.ts';
import { say } from '../say.ts';
import { RetainedTooMuch } from '../slot/retained.ts';
import { untilFirstFailure } from '../together.ts';
import { LeaseLost } from '../write/applier.ts';
import { runFeed } from './feed-run.ts';
import type { FeedScene } from './feed-scene.ts';
import { keepHouse, type SlotNeed } from './housekeeping.ts';
import { Remedies } from './remedies.ts';

const CLOCK_SET_BACK =
  'the clock of the source database was set back, or another server took its place: how old the cache is must be proved anew';

const PAUSED = 'paused by an administrator';
const GIVEN_UP = 'the cache was given up, and is copied again when the feed is resumed';

/**
 * Leads one feed for as long as the lease holds, in stretches: each streams, is paused by an administrator, or rests after a
 * failure.
 */
export class FeedLeader {
  readonly #scene: FeedScene;
  readonly #remedies: Remedies;
  /** Ends a rest: somebody asks for something, or may have put something right. */
  readonly #wake = new Notifier();
  #requests: FeedRequests | null = null;
  #stretch = new AbortController();
  #trouble: Error | null = null;
  /** Paused, with a cache that can be continued as long as the slot is there. */
  #waitsWithCopies = false;
  /** The status in the feed's row is still that of another leader, or of a pause. */
  #isUntold = true;

  constructor(scene: FeedScene) {
    this.#scene = scene;
    this.#remedies = new Remedies(scene);
  }

  /** Ends when the signal aborts or nothing is wanted of the feed any more; throws when the lease or the source is lost. */
  async lead(signal: AbortSignal): Promise<void> {
    const done = new AbortController();
    await untilFirstFailure(AbortSignal.any([signal, done.signal]), [
      (stop) =>
        keepHouse(
          this.#scene,
          {
            onRequests: (requests) => this.#hear(requests),
            onClockSetBack: () => this.#beginAgain(),
            slotNeed: () => this.#slotNeed,
            onSlotTrouble: (error) => this.#hearOfSlot(error),
            onStrayed: (error) => this.#scene.tick !== null && this.#interrupt(error),
          },
          stop,
        ),
      async (stop) => {
        await this.#stretches(stop);
        done.abort();
      },
    ]);
  }

  /** Looks again at what is wanted, at once. */
  reconsider(): void {
    this.#scene.reconsider.notify();
    this.#wake.notify();
  }

  /** Ends all rests at once: somebody may have put right what failed. */
  tryNow(): void {
    this.#remedies.forget();
    this.#scene.failures.forget();
    this.reconsider();
  }

  async #stretches(signal: AbortSignal): Promise<void> {
    while (this.#requests === null && !signal.aborted) await this.#wake.wait(signal);
    while (!signal.aborted && !this.#scene.wanted.isNothing) {
      const failure = this.#takeTrouble() ?? (await this.#streamOrPause(this.#beginStretch(signal)));
      if (failure !== null && !signal.aborted) await this.#remedy(failure.error, signal);
    }
  }

  /** Begins a stretch of streaming, pausing or resting; returns the signal that ends it. */
  #beginStretch(signal: AbortSignal): AbortSignal {
    this.#trouble = null;
    this.#stretch = new AbortController();
    return AbortSignal.any([signal, this.#stretch.signal]);
  }

  /** The trouble that the last stretch was interrupted for, once; null when there was none. */
  #takeTrouble(): { readonly error: unknown } | null {
    const trouble = this.#trouble;
    this.#trouble = null;
    return trouble === null ? null : { error: trouble };
  }

  /** One stretch of streaming or pausing; returns its failure, or null when another stretch was asked for. */
  async #streamOrPause(stop: AbortSignal): Promise<{ readonly error: unknown } | null> {
    try {
      await this.#forgetDoubtfulProof();
      await this.#resyncIfAsked();
      if (this.#requests?.paused === true) await this.#pause(stop);
      else {
        await this.#tellBegun();
        await runFeed(this.#scene, stop);
      }
    } catch (error) {
      // A failure after the stretch was ended is a consequence of that.
      if (!stop.aborted && !this.#isForAnother(error)) return { error };
    }
    return this.#takeTrouble();
  }

  /** Whether the run ended only because another stream must be opened; notes what that one must take into account. */
  #isForAnother(error: unknown): boolean {
    if (!(error instanceof AnotherStream)) return false;
    const { early, sought, options } = this.#scene;
    if (error instanceof EarlyRefused) early.refused(error.xid);
    else if (error instanceof UnknownPartition) sought.add(error.partition);
    options.log.info({ reason: error.message }, 'opening the stream anew');
    return true;
  }

  /** Ends the stretch under way, because of trouble or because another is asked for. */
  #interrupt(trouble: Error | null): void {
    this.#trouble ??= trouble;
    this.#stretch.abort();
  }

  #hear(requests: FeedRequests): void {
    const before = this.#requests;
    this.#requests = requests;
    if (before === null) return this.#wake.notify();
    if (before.paused && !requests.paused) this.tryNow();
    if (requests.tables.length > 0) {
      this.#scene.failures.forget();
      this.#scene.reconsider.notify();
    }
    const isAnother =
      before.paused !== requests.paused || (requests.resync !== null && requests.resync !== before.resync);
    if (isAnother || this.#scene.wanted.isNothing) this.#beginAgain();
  }

  /** A slot that is missing while none is needed is no trouble: it may be about to be made. One that holds back too much always is. */
  #hearOfSlot(error: Error): void {
    if (this.#slotNeed !== null || error instanceof RetainedTooMuch) this.#interrupt(error);
  }

  get #slotNeed(): SlotNeed {
    return this.#scene.tick ?? (this.#waitsWithCopies ? 'pause' : null);
  }

  #beginAgain(): void {
    this.#wake.notify();
    this.#interrupt(null);
  }

  /**
   * Forgets all freshness when the source's clock was set back. A leader in another process sees that only from a time of proof
   * that lies in the future.
   */
  async #forgetDoubtfulProof(): Promise<void> {
    const { control, lease, options } = this.#scene;
    const { sourceClock } = options;
    const isDoubtful = sourceClock.wasSetBack;
    const isForgotten = await forgetProof(control, lease, isDoubtful ? 'all' : 'future');
    if (isDoubtful) sourceClock.noted();
    if (!isDoubtful && !isForgotten) return;
    options.onProbe(null);
    options.log.warn({}, CLOCK_SET_BACK);
  }

  async #tellBegun(): Promise<void> {
    if (!this.#isUntold) return;
    this.#isUntold = false;
    const { control, lease } = this.#scene;
    await saveFeedState(control, lease, { state: 'starting', reason: 'connecting to the target' });
  }

  async #pause(stop: AbortSignal): Promise<void> {
    const { connector, control, lease } = this.#scene;
    this.#isUntold = true;
    const { watermark } = await loadFeed(control, lease.target);
    const isGivenUp = watermark !== null && watermark.position === null;
    const reason = isGivenUp ? `${PAUSED}; ${GIVEN_UP}` : PAUSED;
    await saveFeedState(control, lease, { state: 'paused', reason });
    if (stop.aborted) return;
    this.#waitsWithCopies = watermark !== null && !isGivenUp;
    connector.forgetIdentity();
    await new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }));
    this.#waitsWithCopies = false;
  }

  async #resyncIfAsked(): Promise<void> {
    const { control, lease } = this.#scene;
    const request = this.#requests?.resync ?? null;
    if (request === null || this.#requests === null) return;
    await giveUpCache(control, lease);
    await finishResync(control, lease, request);
    this.#scene.failures.forget();
    this.#requests = { ...this.#requests, resync: null };
  }

  async #remedy(error: unknown, signal: AbortSignal): Promise<void> {
    const { options, control, lease } = this.#scene;
    if (error instanceof LeaseLost) throw error;
    if (this.#scene.streamed) {
      this.#remedies.succeeded();
      this.#scene.repeats.forget();
      this.#scene.standing.forget();
    }
    this.#scene.streamed = false;
    const { state, pauseMs } = await this.#remedies.choose(error);
    const resting = this.#beginStretch(signal);
    const said = say(error);
    const repeated = this.#scene.repeats.heard(said);
    if (repeated !== null) {
      const fields = { error: said, state, pauseMs: Math.round(pauseMs), repeated };
      options.log.warn(fields, 'feed interrupted');
    }
    await saveFeedState(control, lease, { state, reason: said, lastError: said });
    if (state === 'failed') await this.#restFailed(pauseMs, resting);
    else await restUnless(this.#wake, { clock: options.clock, ms: pauseMs }, resting);
  }

  /** Rests until the time is up, somebody asks for something, or what was wrong with the target may have been put right. */
  async #restFailed(pauseMs: number, signal: AbortSignal): Promise<void> {
    const { options, standing } = this.#scene;
    await firstOf(
      signal,
      (until) => standing.untilPutRight(until),
      (until) => restUnless(this.#wake, { clock: options.clock, ms: pauseMs }, until),
    );
  }
}
