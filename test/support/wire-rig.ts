import { type PoolOptions, WirePool } from '../../src/read/wire/pool.ts';
import { SpareBuffers } from '../../src/read/wire/spare-buffers.ts';
import { poll } from './poll.ts';
import { createDatabase, type TestDatabase } from './postgres.ts';

/** How most requests are run: kept prepared, and never given up. */
export const PLAIN = { signal: null, prepared: true };

/** A database of a test's own, and pools of sessions that read it. */
export class WireRig {
  readonly database: TestDatabase;
  readonly #pools: WirePool[] = [];

  private constructor(database: TestDatabase) {
    this.database = database;
  }

  static async make(statements: readonly string[]): Promise<WireRig> {
    return new WireRig(await createDatabase('source', statements));
  }

  /** A pool of one session, if not told otherwise. */
  open(options: Partial<PoolOptions> = {}): WirePool {
    const pool = new WirePool({
      url: this.database.url,
      size: 1,
      loans: () => 1,
      loanTimeoutMs: 500,
      // So long a statement that was given up may stay, too: what a test does meanwhile takes time on a busy machine.
      connectTimeoutMs: 60_000,
      silenceMs: 60_000,
      statementTimeoutMs: 20_000,
      rowLimit: 50_000_000,
      statementLimit: 3,
      asksHistory: false,
      buffers: new SpareBuffers(),
      ...options,
    });
    this.#pools.push(pool);
    return pool;
  }

  /** Statements that run now and begin like this. */
  async running(like = 'select pg_sleep%'): Promise<number> {
    const { rows } = await this.database.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where state = 'active' and query like $1 and datname = current_database()`,
      [like],
    );
    return rows[0]?.n ?? 0;
  }

  async closePools(): Promise<void> {
    await Promise.all(this.#pools.splice(0).map((pool) => pool.close()));
  }

  async drop(): Promise<void> {
    await this.closePools();
    await this.database.drop();
  }
}

/** The first cell of the answer. */
export async function ask(
  pool: WirePool,
  text: string,
  values: (string | null)[] = [],
  signal: AbortSignal | null = null,
): Promise<string | null> {
  const rows = await pool.run(text, values, { ...PLAIN, signal });
  return rows[0]?.[0]?.toString('utf8') ?? null;
}

/** The first cell of the first answer over a pool whose sessions may take longer to be made than it waits for them. */
export async function firstAnswer(pool: WirePool, text: string): Promise<string> {
  let answer: string | null = null;
  await poll('a session', async () => {
    answer = await ask(pool, text).catch(() => null);
    return answer !== null;
  });
  return answer ?? '';
}

/** What the promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => new Error('no failure'),
    (error: unknown) => error,
  );
}
