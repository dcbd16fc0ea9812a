import { type Connector, ConnectorError } from '../../../connectors/connector.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import type { StopSignal } from '../../core/waiting/stop-signal.ts';
import { REFUSED_MS } from '../feed-options.ts';

/** So often a target that could not do something is looked at for whether that may have changed. */
const STANDING_MS = 1_000;

/** What a target may do, as it was last seen: whether something that it could not do may have been put right. */
export class Standing {
  readonly #connector: Pick<Connector, 'standing'>;
  readonly #clock: Clock;
  /** Null while the target could not be asked; undefined before the first look. */
  #seen: string | null | undefined = undefined;

  constructor(connector: Pick<Connector, 'standing'>, clock: Clock) {
    this.#connector = connector;
    this.#clock = clock;
  }

  /** What fails from now on has nothing to do with what failed before. */
  forget(): void {
    this.#seen = undefined;
  }

  /**
   * Waits until what made the target unfit may have been put right, or the signal aborts. That may have been before the
   * first look, which only another try can tell; later ones are compared with what was seen before the try that failed.
   */
  async untilPutRight(until: StopSignal): Promise<void> {
    if (this.#seen === undefined) {
      this.#seen = await this.#look();
      return this.#rest(until);
    }
    const before = this.#seen;
    while (!until.aborted && this.#seen === before) {
      await this.#rest(until);
      if (!until.aborted) this.#seen = await this.#look();
    }
  }

  #rest(until: StopSignal): Promise<void> {
    return this.#clock.delay(this.#seen === null ? REFUSED_MS : STANDING_MS, until);
  }

  async #look(): Promise<string | null> {
    try {
      return await this.#connector.standing();
    } catch (error) {
      if (error instanceof ConnectorError) return null;
      throw error;
    }
  }
}
