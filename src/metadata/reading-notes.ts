import type pg from 'pg';

/** What databases last said of themselves, noted in the metadata database for nodes that start while one is down. */
export class StoredReadingNotes {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** What was noted last under this key; null when nothing was. */
  async recall(key: string): Promise<string | null> {
    const found = await this.#pool.query<{ reading: string }>(
      'select reading::text as reading from nearjoin_metadata.reading where key = $1',
      [key],
    );
    return found.rows[0]?.reading ?? null;
  }

  /** Notes a reading; every node does, and only one that says something new is written. */
  async note(key: string, reading: string): Promise<void> {
    await this.#pool.query(
      `insert into nearjoin_metadata.reading as noted (key, reading) values ($1, $2::json)
       on conflict (key) do update set reading = excluded.reading, noted_at = now()
       where noted.reading::text <> excluded.reading::text`,
      [key, reading],
    );
  }
}
