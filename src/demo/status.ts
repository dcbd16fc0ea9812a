import { z } from 'zod';
import { systemClock } from '../core/waiting/clock.ts';
import { progressBar, type Screen } from './screen.ts';

const Replication = z.object({
  feeds: z.array(
    z.object({
      target: z.string(),
      state: z.string(),
      reason: z.string().nullable(),
      position: z.string().nullable(),
      staleness_ms: z.number().nullable(),
      changes_applied: z.number(),
      tables: z.array(
        z.object({
          name: z.string(),
          state: z.string(),
          rows_copied: z.number().nullish(),
          rows_estimated: z.number().nullish(),
        }),
      ),
    }),
  ),
});

type Feed = z.infer<typeof Replication>['feeds'][number];

/** Shows how far the caches are until the signal aborts; read from the server as any client would. */
export async function showStatus(url: string, screen: Screen, signal: AbortSignal): Promise<void> {
  let shown = '';
  let quietUntilMs = 0;
  while (!signal.aborted) {
    const text = (await readFeeds(url, signal)).map(describe).join('   ');
    // Without a terminal every status is a line that stays: a few a minute are enough once it runs.
    if (text !== shown && text !== '' && systemClock.monotonicMs() >= quietUntilMs) {
      screen.status(text);
      shown = text;
      quietUntilMs = systemClock.monotonicMs() + (screen.rewrites ? 0 : 5000);
    }
    await systemClock.delay(500, signal);
  }
}

/** Waits until every cached table is ready, showing the copy; false when the time was not enough. */
export async function untilCached(
  url: string,
  screen: Screen,
  options: { readonly withinMs: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const until = systemClock.monotonicMs() + options.withinMs;
  while (!options.signal.aborted && systemClock.monotonicMs() < until) {
    const tables = (await readFeeds(url, options.signal)).flatMap((feed) => feed.tables);
    if (tables.length > 0 && tables.every((table) => table.state === 'ready')) return true;
    const first = tables.find((table) => table.state === 'copying');
    if (first !== undefined && screen.rewrites) {
      screen.status(progressBar('caching', first.rows_copied ?? 0, first.rows_estimated ?? 0));
    }
    await systemClock.delay(50, options.signal);
  }
  return false;
}

async function readFeeds(url: string, signal: AbortSignal): Promise<readonly Feed[]> {
  try {
    const answer = await fetch(`${url}/v1/replication`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(2000)]),
    });
    const read = Replication.safeParse(await answer.json());
    return read.success ? read.data.feeds : [];
  } catch {
    return []; // busy or stopping: the next look will tell
  }
}

function describe(feed: Feed): string {
  const staleness = feed.staleness_ms === null ? 'unknown' : `${feed.staleness_ms} ms`;
  const tables = feed.tables.map((table) => `${table.name} ${table.state}`).join(', ');
  const why = feed.reason === null ? '' : ` (${feed.reason})`;
  return [
    `${feed.target} ${feed.state}${why}`,
    `watermark ${feed.position ?? 'unknown'}`,
    `staleness ${staleness}`,
    `changes ${feed.changes_applied}`,
    tables,
  ].join(' | ');
}
