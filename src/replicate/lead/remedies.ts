import { ConnectorError } from '../../../connectors/connector.ts';
import { loadFeed } from '../../cache/feed/row.ts';
import { giveUpCache } from '../../cache/feed/watermark.ts';
import type { FeedState } from '../../cache/status/cache-table.ts';
import { NearjoinError } from '../../core/errors.ts';
import { Backoff } from '../backoff.ts';
import { TableBroken } from '../interruptions.ts';
import { isDiskFull } from '../say.ts';
import { RetainedTooMuch } from '../slot/retained.ts';
import type { FeedScene } from './feed-scene.ts';
import { Stuck } from './stuck.ts';

/** What is said of a feed that has failed, and for how long it rests. */
interface Remedy {
  readonly state: FeedState;
  readonly pauseMs: number;
}

/** What to do about the failures of a feed, one after the other. */
export class Remedies {
  readonly #scene: FeedScene;
  readonly #backoff: Backoff;
  readonly #stuck: Stuck;

  constructor(scene: FeedScene) {
    const { clock, limits, random } = scene.options;
    this.#scene = scene;
    this.#backoff = new Backoff(limits.retryMs.first, limits.retryMs.longest, random);
    this.#stuck = new Stuck(clock, random);
  }

  /** The feed went well for a while: the next failure is a first one. */
  succeeded(): void {
    this.#backoff.succeeded();
  }

  /** Somebody says that what failed is healed. */
  forget(): void {
    this.#stuck.forget();
    this.#backoff.succeeded();
  }

  /** Does what has to be done before the next try, and answers how to wait for it. */
  async choose(error: unknown): Promise<Remedy> {
    const { options, connector, control, failures, lease } = this.#scene;
    if (error instanceof TableBroken) {
      failures.broke(error, isDiskFull(error) ? options.limits.unfitRetryMs : 0);
      await options.refreshCatalog();
      return { state: 'retrying', pauseMs: 0 };
    }
    if (error instanceof RetainedTooMuch) {
      await giveUpCache(control, lease);
      await connector.drop();
      return this.#retry();
    }
    const remedy = error instanceof ConnectorError ? await this.#chooseForTarget(error) : null;
    if (remedy !== null) return remedy;
    if (isDiskFull(error)) return { state: 'retrying', pauseMs: options.limits.unfitRetryMs };
    return error instanceof NearjoinError ? this.#fail() : this.#retry();
  }

  /** Null when it passes by itself. */
  async #chooseForTarget({ failure }: ConnectorError): Promise<Remedy | null> {
    if (failure === 'unsendable') return await this.#unstick();
    if (failure === 'unfit') return this.#fail();
    if (failure !== 'slot-lost') return null;
    await giveUpCache(this.#scene.control, this.#scene.lease);
    return this.#retry();
  }

  async #unstick(): Promise<Remedy> {
    const { control, lease } = this.#scene;
    const { watermark } = await loadFeed(control, lease.target);
    const next = this.#stuck.broke(watermark?.position ?? null);
    if (next === 'rest') return this.#fail();
    if (next === 'pass by') await giveUpCache(control, lease);
    return this.#retry();
  }

  #retry(): Remedy {
    return { state: 'retrying', pauseMs: this.#backoff.nextMs() };
  }

  /** Until somebody has put it right. */
  #fail(): Remedy {
    return { state: 'failed', pauseMs: this.#scene.options.limits.unfitRetryMs };
  }
}
