import type pg from 'pg';

/** What databases last said of themselves, noted in the metadata database for nodes that start while one is down. */
export class StoredReadingNotes {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** What was noted last under this key, and how long ago; null when nothing was. */
  async recall(key: string): Promise<{ readonly reading: string; readonly ageMs: number } | null> {
    const found = await this.#pool.query<{ reading: string; ageMs: number }>(
      `select reading::text as reading,
         (extract(epoch from clock_timestamp() - noted_at) * 1000)::float8 as "ageMs"
       from nearjoin_metadata.reading where key = $1`,
      [key],
    );
    return found.rows[0] ?? null;
  }

  /** Notes a reading, as of now; every node does, and only one that says something new is written. */
  async note(key: string, reading: string): Promise<void> {
    await this.#pool.query(
      `insert into nearjoin_metadata.reading as noted (key, reading) values ($1, $2::json)
       on conflict (key) do update set noted_at = now(), reading = case
         when noted.reading::text <> excluded.reading::text then excluded.reading else noted.reading end`,
      [key, reading],
    );
  }
}
