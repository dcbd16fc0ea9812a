import type { ChangeStream, Connector } from '../../../connectors/connector.ts';
import { CLOCK_SQL } from '../../cache/feed/row.ts';
import { type Queryable, rowOf } from '../../cache/queryable.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import type { Probe } from '../../core/position/watermark.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import { firstOf } from '../../core/waiting/first-of.ts';
import type { ProbePace } from './probe-pace.ts';
import type { Progress } from './progress.ts';

/** What proving freshness needs. */
export interface ProbeOptions {
  /** A session on the source. */
  readonly client: Queryable;
  readonly connector: Connector;
  readonly stream: ChangeStream;
  readonly progress: Progress;
  readonly clock: Clock;
  readonly pace: ProbePace;
  /**
   * The target's newest position; null while the tables must be looked at first, since their rows may have changed in ways
   * that the stream does not tell, and nothing may be called fresh.
   */
  readonly observe: () => Promise<Lsn | null>;
  /** Called with each finished probe: a cache that has applied its position is fresh as of its time. */
  readonly onProbe: (probe: Probe) => void;
}

const ASK_AGAIN_MS = 25;
const ASKS_BEFORE_FLUSH = 3;

/**
 * Proves freshness again and again on the source's clock: the target's newest position is asked for after the time was
 * read, so once that position is applied the cache holds all that was committed before that time.
 */
export async function runProbes(options: ProbeOptions, signal: AbortSignal): Promise<void> {
  const { clock, pace, progress, onProbe } = options;
  while (!signal.aborted) {
    const startedMs = clock.monotonicMs();
    const probe = await ask(options);
    if (probe !== null) {
      await untilApplied(options, probe.position, signal);
      if (signal.aborted) return;
      progress.finish(probe);
      // Between the stored position and the probe's nothing concerned the cache, so the probe holds at the stored one too.
      const position = probe.position < progress.stored ? probe.position : progress.stored;
      onProbe({ freshAsOf: probe.freshAsOf, position });
    }
    await pace.rest(startedMs, signal);
  }
}

async function ask({ client, observe, progress }: ProbeOptions): Promise<Probe | null> {
  const { now } = await rowOf<{ now: string }>(client, CLOCK_SQL);
  const position = await observe();
  if (position === null) return null;
  const probe = { freshAsOf: Number(now), position };
  progress.ask(probe);
  return probe;
}

/** Asks the target how far it has sent until the position is applied, or the signal aborts. */
export async function untilApplied(
  { connector, stream, progress, clock }: Pick<ProbeOptions, 'connector' | 'stream' | 'progress' | 'clock'>,
  position: Lsn,
  signal: AbortSignal,
): Promise<void> {
  for (let asks = 1; progress.applied < position && !signal.aborted; asks += 1) {
    stream.requestProgress();
    const pauseMs = asks <= ASKS_BEFORE_FLUSH ? ASK_AGAIN_MS : ASK_AGAIN_MS * 4;
    await firstOf(
      signal,
      (until) => progress.reached(position, until),
      (until) => clock.delay(pauseMs, until),
    );
    // The end of the target's log may not be on its disk until somebody commits, and is not sent before.
    if (asks === ASKS_BEFORE_FLUSH && progress.applied < position) await connector.forceFlush();
  }
}
