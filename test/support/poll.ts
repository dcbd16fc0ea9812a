/** So long a state is waited for. Most come within a second or two; a slow machine may be busy besides. */
export const PATIENCE_MS = 90_000;

/** Asks again until the answer is true; an error that names what was waited for when the time is up. */
export async function poll(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  withinMs = PATIENCE_MS,
): Promise<void> {
  const begun = performance.now();
  while (!(await isSo())) {
    const waited = performance.now() - begun;
    if (waited > withinMs) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
    await restAfter(waited);
  }
}

/** The longer it takes the seldomer it is asked: what asks takes time from what is waited for. */
export function restAfter(waitedMs: number): Promise<void> {
  const ms = Math.min(Math.max(20, waitedMs / 10), 100);
  return new Promise((resolve) => setTimeout(resolve, ms));
}
