import pg from 'pg';
import { messageOf } from '../core/errors.ts';
import { systemClock } from '../core/waiting/clock.ts';
import type { Log } from '../ops/log.ts';

const EVERY_MS = 300;

/** Changes one user after another in the target until the signal, so that there is something to replicate. */
export async function keepWriting(url: string, log: Log, signal: AbortSignal): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 1, connectionTimeoutMillis: 2000 });
  pool.on('error', (error) => log.warn({ error: messageOf(error) }, 'the demo writer lost its connection'));
  try {
    for (let turn = 1; !signal.aborted; turn += 1) {
      await writeOnce(pool, turn, log);
      await systemClock.delay(EVERY_MS, signal);
    }
  } finally {
    await pool.end();
  }
}

async function writeOnce(pool: pg.Pool, turn: number, log: Log): Promise<void> {
  try {
    await pool.query(
      `update public."user"
          set credit = credit + 0.01, updated_at = clock_timestamp()
        where id = (select 1 + $1::bigint % max(id) from public."user")`,
      [turn],
    );
  } catch (error) {
    log.warn({ error: messageOf(error) }, 'the demo writer could not write; it tries again');
  }
}
