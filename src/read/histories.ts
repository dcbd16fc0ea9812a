import { HISTORY_SQL } from '../cache/feed/label-sql.ts';
import type { StopSignal } from '../core/waiting/stop-signal.ts';
import type { TargetRead } from './target-read.ts';
import type { WirePool } from './wire/pool.ts';

/**
 * Where the request's token names a history, asks which one the cache holds: the status may be from before a failover and
 * the rows from after it. Asked after the rows were read, because a feed notes a new history before any position in it.
 */
export async function renewHistories(
  reads: readonly TargetRead[],
  pool: WirePool,
  signal: StopSignal,
): Promise<void> {
  for (const read of reads) {
    if (read.choice.route !== 'cache' || (read.policy.token?.history ?? null) === null) continue;
    const rows = await pool.run(HISTORY_SQL, [read.use.target], { signal, prepared: true });
    read.history = rows[0]?.[0]?.toString('latin1') ?? null;
  }
}
