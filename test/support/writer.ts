import pg from 'pg';

/** Writes to a database without pause until told to stop: one transaction after the other, on a connection of its own. */
export class Writer {
  readonly #client: pg.Client;
  readonly #done: Promise<void>;
  #over = false;
  transactions = 0;

  constructor(url: string, statements: (round: number) => readonly string[]) {
    this.#client = new pg.Client({ connectionString: url });
    this.#done = this.#run(statements);
    this.#done.catch(() => undefined); // told by stop()
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#done;
  }

  async #run(statements: (round: number) => readonly string[]): Promise<void> {
    await this.#client.connect();
    for (let round = 1; !this.#over; round += 1) {
      await this.#client.query('begin');
      for (const statement of statements(round)) await this.#client.query(statement);
      await this.#client.query('commit');
      this.transactions += 1;
    }
    await this.#client.end();
  }
}
