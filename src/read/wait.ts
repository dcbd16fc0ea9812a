import { LABEL_SQL } from '../cache/feed/label-sql.ts';
import type { SourceName } from '../core/names.ts';
import type { Lsn } from '../core/position/lsn.ts';
import type { SourceTime } from '../core/position/watermark.ts';
import { systemClock } from '../core/waiting/clock.ts';
import { orStopped } from '../core/waiting/or-stopped.ts';
import type { StopSignal } from '../core/waiting/stop-signal.ts';
import type { Databases } from './databases.ts';
import { readError } from './error-mapping.ts';
import type { Policy } from './freshness.ts';
import { faultOf, improved, labelOf } from './labels.ts';
import type { ProbeBoard } from './probe-board.ts';

const STEP_MS = 10;

/** Asks until the answer is yes (true) or the time `untilMs` has come (false); throws the signal's reason when it aborts. */
export async function waitFor(
  untilMs: number,
  signal: StopSignal,
  isMet: () => Promise<boolean>,
): Promise<boolean> {
  for (;;) {
    signal.throwIfAborted();
    if (await orStopped(isMet(), signal)) return true;
    if (systemClock.monotonicMs() >= untilMs) return false;
    await systemClock.delay(STEP_MS, signal);
  }
}

/** Waits until a cache is as fresh as asked for, counted from when the request arrived; false when time is up. */
export function untilFresh(
  parts: { readonly databases: Databases; readonly probes: ProbeBoard },
  wanted: {
    readonly source: SourceName;
    readonly target: SourceName;
    readonly policy: Policy;
    readonly arrival: SourceTime;
    readonly signal: StopSignal;
    readonly untilMs: number;
  },
): Promise<boolean> {
  const { source, target, policy, arrival, signal, untilMs } = wanted;
  return waitFor(untilMs, signal, async () => {
    // Looked up each time: the sessions may have been replaced meanwhile.
    const asked = parts.databases.source(source).run(LABEL_SQL, [target], { signal, prepared: true });
    const rows = await asked.catch((error: unknown) => {
      throw readError(error, source, 'source');
    });
    const [position, freshAsOf, now, history] = (rows[0] ?? []).map((cell) => cell?.toString('latin1'));
    const label = labelOf(position, freshAsOf, history);
    const proving = (upTo: Lsn): SourceTime | null => parts.probes.latest(source, target, upTo);
    return faultOf(improved(label, proving, Number(now)), policy, arrival) === null;
  });
}
