import { setMaxListeners } from 'node:events';

/** Runs all works until each has ended, which the signal asks of them; the first that fails stops the others, and its failure is thrown when they have. */
export async function untilFirstFailure(
  signal: AbortSignal,
  works: readonly ((stop: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const stopping = new AbortController();
  const stop = AbortSignal.any([signal, stopping.signal]);
  // Each of them listens to it, some more than once.
  setMaxListeners(0, stop);
  let first: { readonly error: unknown } | undefined;
  await Promise.all(
    works.map(async (work) => {
      try {
        await work(stop);
      } catch (error) {
        // What fails after the stop fails because of it.
        if (!stop.aborted) first ??= { error };
        stopping.abort();
      }
    }),
  );
  if (first !== undefined) throw first.error;
}
