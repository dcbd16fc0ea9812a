import { setTimeout } from 'node:timers/promises';

/** The time between being asked to stop and refusing connections, for load balancers to send clients elsewhere. */
export class Leaving {
  #hasBegun = false;

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** From here on `/healthz` fails and connections are closed after their next answer; resolves when the time is over. */
  async begin(timeMs: number): Promise<void> {
    this.#hasBegun = true;
    await setTimeout(timeMs);
  }
}
