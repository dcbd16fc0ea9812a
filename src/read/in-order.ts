import { Stop, type StopSignal } from '../core/waiting/stop-signal.ts';

/** As `Promise.all`, but it throws the failure that is first in the list, not the one that happens first. */
export async function inOrder<T>(waits: readonly Promise<T>[]): Promise<readonly T[]> {
  for (const wait of waits) wait.catch(() => undefined); // told below, or not at all
  const all: T[] = [];
  for (const wait of waits) all.push(await wait);
  return all;
}

/** A statement that ends by itself so soon is not cancelled, since that takes a connection of its own. */
const SOON_MS = 100;

/**
 * Begins all works and waits for them as `inOrder` does. When one fails, those behind it in the list are aborted a little later: nobody will
 * see what they give. All are aborted at once with the caller's signal.
 */
export async function whileNeeded<T>(
  signal: StopSignal,
  works: readonly ((signal: StopSignal) => Promise<T>)[],
): Promise<readonly T[]> {
  if (works.length < 2) return inOrder(works.map((work) => work(signal)));
  const begun = works.map((work) => ({ work, stop: new Stop() }));
  const stopAll = (): void => {
    for (const { stop } of begun) stop.abort(signal.reason);
  };
  signal.addEventListener('abort', stopAll);
  if (signal.aborted) stopAll();
  const waits = begun.map(async ({ work, stop }, i) => {
    try {
      return await work(stop);
    } catch (error) {
      const needless = begun.slice(i + 1);
      if (needless.length > 0) setTimeout(() => end(needless), SOON_MS).unref();
      throw error;
    }
  });
  try {
    return await inOrder(waits);
  } finally {
    signal.removeEventListener('abort', stopAll);
  }
}

function end(needless: readonly { readonly stop: Stop }[]): void {
  for (const { stop } of needless) stop.abort(new Error('another part of the answer failed'));
}
