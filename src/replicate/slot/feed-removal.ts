import { type Connector, ConnectorError, refusalState } from '../../../connectors/connector.ts';
import { INSUFFICIENT_PRIVILEGE } from '../../core/postgres/sql-state.ts';
import type { FeedOptions } from '../feed-options.ts';
import { say } from '../say.ts';
import { Unread } from './unread.ts';
import { withConnector } from './with-connector.ts';

const NO_SUCH_DATABASE = '3D000';

/** What the removal of a feed needs; the source's address is null when only its target is left. */
export type RemovalOptions = Pick<FeedOptions, 'clock' | 'limits' | 'log' | 'targetUrl'> & {
  readonly sourceUrl: string | null;
};

/** A feed that nobody wants any more: frees its target even when the source cannot be reached, and knows when to give up. */
export class FeedRemoval {
  readonly #options: RemovalOptions;
  readonly #sinceMs: number;
  readonly #unread: Unread;
  #held: 'held' | 'free' | 'given up' = 'held';

  constructor(options: RemovalOptions) {
    this.#options = options;
    this.#sinceMs = options.clock.monotonicMs();
    this.#unread = new Unread(options);
  }

  /** Drops slot and publication of a feed that is led, or gives them up; throws while another try makes sense. */
  async freeTarget(connector: Connector): Promise<void> {
    await this.#free(connector, () => Promise.resolve(true));
  }

  /** The same for who does not lead it; false while somebody may read from the slot. */
  freeUnread(connector: Connector): Promise<boolean> {
    // Through Kafka the slot that is read is Debezium's; ours is not there, or left from before.
    const isOurs = connector.kind === 'postgres';
    return this.#free(connector, async () => !isOurs || this.#unread.isLong(await connector.slotHealth()));
  }

  async #free(connector: Connector, mayDrop: () => Promise<boolean>): Promise<boolean> {
    if (this.#held !== 'held') return true;
    try {
      if (!(await mayDrop())) return false;
      await connector.drop();
      this.#held = 'free';
    } catch (error) {
      if (!(error instanceof ConnectorError)) throw error;
      const isGone = isDatabaseGone(error);
      if (!isGone && !isForbidden(error) && !this.#isTooLate()) throw error;
      this.#held = isGone ? 'free' : 'given up';
      const text = isGone
        ? 'the target database does not exist: slot and publication are gone'
        : 'gave up on a target: drop slot and publication there by hand';
      this.#say(connector.slot, error, text);
    }
    return true;
  }

  /**
   * Does what can be done while the source cannot be used: a slot left behind would hold back the target's log.
   * True when nothing is left to try. The name is null when this process never reached the source.
   */
  async withoutSource(
    { slot: name, connect }: { readonly slot: string | null; readonly connect: FeedOptions['connect'] },
    failure: unknown,
    signal: AbortSignal,
  ): Promise<boolean> {
    const isFree = name === null || connect === null || (await this.#triedFreeing(connect(name), signal));
    if (isFree && isDatabaseGone(failure)) {
      const text =
        this.#held === 'free'
          ? 'feed dropped on its target only: its source database does not exist'
          : 'gave up a feed: its source database does not exist; drop slot and publication by hand, if there are any';
      this.#say(name, failure, text);
      return true;
    }
    if (!this.#isTooLate()) return false;
    this.#say(name, failure, 'gave up removing a feed: drop what is left of it by hand');
    return true;
  }

  async #triedFreeing(connector: Connector, signal: AbortSignal): Promise<boolean> {
    try {
      return await withConnector(connector, signal, (open) => this.freeUnread(open));
    } catch (error) {
      if (!(error instanceof ConnectorError)) throw error;
      return false; // its time will come with the source's next try, or be over
    }
  }

  #isTooLate(): boolean {
    const { clock, limits } = this.#options;
    return clock.monotonicMs() - this.#sinceMs >= limits.giveUpAfterMs;
  }

  #say(name: string | null, error: unknown, text: string): void {
    const { log, sourceUrl, targetUrl } = this.#options;
    const databases = { sourceDatabase: databaseOf(sourceUrl), targetDatabase: databaseOf(targetUrl) };
    log.warn({ slot: name, publication: name, ...databases, error: say(error) }, text);
  }
}

/** Whether a server answered that the database of the connection string does not exist. */
export function isDatabaseGone(error: unknown): boolean {
  return refusalState(error) === NO_SUCH_DATABASE;
}

/** Such as a publication that an administrator made: time does not change that. */
function isForbidden(error: unknown): boolean {
  return refusalState(error) === INSUFFICIENT_PRIVILEGE;
}

/** The name alone: the rest of a connection string is nobody's business. */
function databaseOf(url: string | null): string | null {
  if (url === null || !URL.canParse(url)) return null;
  return new URL(url).pathname.slice(1) || null;
}
