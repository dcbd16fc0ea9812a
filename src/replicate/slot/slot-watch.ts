import { type Connector, ConnectorError } from '../../../connectors/connector.ts';
import { type FeedOptions, REFUSED_MS } from '../feed-options.ts';
import { RetainedTooMuch } from './retained.ts';
import { Unread } from './unread.ts';
import { withConnector } from './with-connector.ts';

const LOOK_MS = 1_000;

/** Whose slot is watched, and what it may hold back. */
export type SlotWatchOptions = Pick<FeedOptions, 'clock' | 'limits' | 'log'>;

/**
 * Watches a slot that this process does not read from, as while its source cannot be reached. It must not hold back more of the
 * target's log than allowed, and no published table may make its owner's writes fail. Whoever reads from it sees to that himself.
 */
export class SlotWatch {
  readonly #options: SlotWatchOptions;
  readonly #stopping = new AbortController();
  readonly #unread: Unread;
  readonly #done: Promise<void>;

  constructor(options: SlotWatchOptions, connector: Connector) {
    this.#options = options;
    this.#unread = new Unread(options);
    this.#done = withConnector(connector, this.#stopping.signal, (open) => this.#watch(open));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #watch(connector: Connector): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let isRefused = false;
      try {
        await this.#look(connector);
      } catch (error) {
        if (!(error instanceof ConnectorError)) throw error;
        isRefused = error.failure === 'unfit'; // one that is away too is looked at again when it is back
      }
      await clock.delay(isRefused ? REFUSED_MS : LOOK_MS, signal);
    }
  }

  async #look(connector: Connector): Promise<void> {
    const { limits, log } = this.#options;
    const health = await connector.slotHealth();
    const isLeft = this.#unread.isLong(health); // each look counts, also below the ceiling
    if (isLeft && 'retainedWalBytes' in health && health.retainedWalBytes > limits.maxRetainedWalBytes) {
      // The lost slot is found when the source is back; the cache is given up and made anew then.
      await connector.drop();
      const why = new RetainedTooMuch(health.retainedWalBytes, limits.maxRetainedWalBytes).message;
      log.warn({ slot: connector.slot, why }, 'slot dropped while nobody reads from it');
    }
    // Last: where the publication is somebody else's it fails for as long as a table of it lacks its key.
    await connector.protect();
  }
}
