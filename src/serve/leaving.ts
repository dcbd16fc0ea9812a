import { setTimeout } from 'node:timers/promises';

/** The time between being asked to stop and refusing connections, in which load balancers turn away. */
export class Leaving {
  #hasBegun = false;

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** From here on health is red and connections are given up after their next answer; resolves when the time is over. */
  async begin(timeMs: number): Promise<void> {
    this.#hasBegun = true;
    await setTimeout(timeMs);
  }
}
