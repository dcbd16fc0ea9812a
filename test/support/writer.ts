import pg from 'pg';

/** After so many transactions a writer waits for whoever follows it. */
const AHEAD = 20;

/** Writes to a database until told to stop: one transaction after the other, on a connection of its own. */
export class Writer {
  readonly #client: pg.Client;
  readonly #done: Promise<void>;
  #over = false;
  transactions = 0;

  /** `followed` resolves when what is committed has arrived: a slow machine would never come up with who waits for nobody. */
  constructor(
    url: string,
    statements: (round: number) => readonly string[],
    followed: () => Promise<void> = () => Promise.resolve(),
  ) {
    this.#client = new pg.Client({ connectionString: url });
    this.#done = this.#run(statements, followed);
    this.#done.catch(() => undefined); // told by stop()
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#done;
  }

  async #run(statements: (round: number) => readonly string[], followed: () => Promise<void>): Promise<void> {
    await this.#client.connect();
    for (let round = 1; !this.#over; round += 1) {
      await this.#client.query('begin');
      for (const statement of statements(round)) await this.#client.query(statement);
      await this.#client.query('commit');
      this.transactions += 1;
      if (this.transactions % AHEAD === 0 && !this.#over) await followed();
    }
    await this.#client.end();
  }
}
