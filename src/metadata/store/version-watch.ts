import pg from 'pg';
import { messageOf } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { KEEP_ALIVE } from '../../core/postgres/keep-alive.ts';
import { CATALOG_SESSION } from '../../core/postgres/session-form.ts';
import { afterAbort, LEAVE_MS } from '../../core/waiting/after-abort.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import { Notifier, restUnless } from '../../core/waiting/notifier.ts';
import { orStopped } from '../../core/waiting/or-stopped.ts';
import { Repeats } from '../../core/waiting/repeats.ts';

/** Fast enough for "within a second" also while the notice connection is down. */
const POLL_MS = 500;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 10_000;

/** What a watch needs from the store. */
export interface VersionWatch {
  readonly url: string;
  readonly log: Pick<Log, 'warn'>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly readVersion: () => Promise<number>;
}

/**
 * The current version, then each other one, also an older one: that of a database which was put back from a backup. Woken
 * by notices, and by a poll where a notice may be lost.
 */
export async function* watchVersions(watch: VersionWatch): AsyncGenerator<number> {
  const stop = new AbortController();
  const signal = AbortSignal.any([watch.signal, stop.signal]);
  const bell = new Notifier();
  const listening = keepListening({ ...watch, signal }, () => bell.notify());
  const repeats = new Repeats(watch.clock);
  let last = -1;
  try {
    while (!signal.aborted) {
      const version = await readOrLast(watch, last, repeats);
      if (version !== last && !signal.aborted) yield version;
      last = version;
      await restUnless(bell, { clock: watch.clock, ms: POLL_MS }, signal);
    }
  } finally {
    stop.abort();
    await listening;
  }
}

/** A database that is away for a moment is no reason to end the watch. */
async function readOrLast(watch: VersionWatch, last: number, repeats: Repeats): Promise<number> {
  try {
    const version = await orStopped(watch.readVersion(), watch.signal);
    repeats.forget();
    return version;
  } catch (error) {
    const reason = messageOf(error);
    const repeated = watch.signal.aborted ? null : repeats.heard(reason);
    if (repeated !== null) watch.log.warn({ reason, repeated }, 'cannot read the metadata version');
    return last;
  }
}

async function keepListening(watch: VersionWatch, ring: () => void): Promise<void> {
  const repeats = new Repeats(watch.clock);
  const tell = (reason: string): void => {
    const repeated = repeats.heard(reason);
    if (repeated !== null) watch.log.warn({ reason, repeated }, 'metadata notices interrupted');
  };
  let retryMs = FIRST_RETRY_MS;
  while (!watch.signal.aborted) {
    const heldMs = await listenOnce(watch, ring, tell);
    if (heldMs > LAST_RETRY_MS) repeats.forget();
    retryMs = heldMs > LAST_RETRY_MS ? FIRST_RETRY_MS : Math.min(retryMs * 2, LAST_RETRY_MS);
    await watch.clock.delay(retryMs, watch.signal);
  }
}

/** Listens until the connection ends or the watch is stopped; returns how long that was. */
async function listenOnce(
  watch: VersionWatch,
  ring: () => void,
  tell: (reason: string) => void,
): Promise<number> {
  const startedMs = watch.clock.monotonicMs();
  const client = new pg.Client({
    connectionString: watch.url,
    application_name: 'nearjoin metadata listen',
    connectionTimeoutMillis: 5_000,
    ...KEEP_ALIVE,
  });
  let stop: () => void = () => undefined;
  const ended = new Promise<unknown>((resolve) => {
    stop = () => resolve(undefined);
    client.on('error', resolve);
    client.on('end', stop);
    watch.signal.addEventListener('abort', stop);
  });
  const callOff = afterAbort(watch.signal, LEAVE_MS, () => client.connection.stream.destroy());
  client.on('notification', ring);
  try {
    await client.connect();
    await client.query(CATALOG_SESSION);
    await client.query('listen nearjoin_metadata');
    // A version saved while nobody listened is found at once.
    ring();
    const error = await ended;
    if (error !== undefined) throw error;
  } catch (error) {
    if (!watch.signal.aborted) tell(messageOf(error));
  }
  await client.end().catch((error: unknown) => {
    watch.log.warn({ reason: messageOf(error) }, 'closing the metadata notice connection failed');
  });
  watch.signal.removeEventListener('abort', stop);
  callOff();
  return watch.clock.monotonicMs() - startedMs;
}
