import type { Query } from './generate-query.ts';
import type { ProcessStage } from './process-stage.ts';

/** Clients that ask the same again and again while something happens. */
export class Crowd {
  readonly #stage: ProcessStage;
  readonly #answers = new Map<Query, string[]>();
  readonly #clients: readonly Promise<void>[];
  #leaves = false;

  constructor(stage: ProcessStage, queries: readonly Query[]) {
    this.#stage = stage;
    this.#clients = queries.map((query) => this.#ask(query));
  }

  /** Waits until each has asked once more than it has by now; gives all that they were told, each but once. */
  async leave(): Promise<ReadonlyMap<Query, readonly string[]>> {
    this.#leaves = true;
    await Promise.all(this.#clients);
    return new Map([...this.#answers].map(([query, told]) => [query, [...new Set(told)]]));
  }

  async #ask(query: Query): Promise<void> {
    const told: string[] = [];
    this.#answers.set(query, told);
    for (let isLast = false; !isLast; ) {
      isLast = this.#leaves;
      told.push(await this.#stage.now(query));
    }
  }
}
