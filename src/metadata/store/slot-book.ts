import type pg from 'pg';
import type { SourceName } from '../../core/names.ts';

interface NotedSlot {
  readonly slot: string;
  readonly source: SourceName;
  readonly target: SourceName;
}

/** Replication slots noted in the metadata database: they are known there when their source has left the metadata. */
export class StoredSlotBook {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** Every slot that was noted and not forgotten. */
  async noted(): Promise<readonly NotedSlot[]> {
    const found = await this.#pool.query<NotedSlot>(
      'select slot, source, target from nearjoin_metadata.slot order by slot',
    );
    return found.rows;
  }

  /** Notes whose feed a slot is; the newest note counts. */
  async note({ slot, source, target }: NotedSlot): Promise<void> {
    await this.#pool.query(
      `insert into nearjoin_metadata.slot (slot, source, target) values ($1, $2, $3)
       on conflict (slot) do update set source = excluded.source, target = excluded.target`,
      [slot, source, target],
    );
  }

  /** Forgets a slot, unless it is another source's by now. */
  async forget({ slot, source }: Omit<NotedSlot, 'target'>): Promise<void> {
    await this.#pool.query('delete from nearjoin_metadata.slot where slot = $1 and source = $2', [
      slot,
      source,
    ]);
  }
}
