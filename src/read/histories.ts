import type { StopSignal } from '../core/waiting/stop-signal.ts';
import type { Lane } from './lanes.ts';
import type { WirePool } from './wire/pool.ts';

const HISTORY = `select f.system_id || '.' || f.timeline from nearjoin.feed f where f.target = $1::text`;

/**
 * Asks for the history that a cache holds where the request's token names one: the status may be from before a failover,
 * and the rows from after it. Asked after the rows were read, since a history is noted before any position of it.
 */
export async function renewHistories(
  lanes: readonly Lane[],
  pool: WirePool,
  signal: StopSignal,
): Promise<void> {
  for (const lane of lanes) {
    if (lane.choice.route !== 'cache' || (lane.policy.token?.history ?? null) === null) continue;
    const rows = await pool.run(HISTORY, [lane.use.target], { signal, prepared: true });
    lane.history = rows[0]?.[0]?.toString('latin1') ?? null;
  }
}
