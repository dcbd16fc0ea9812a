/** So long a state is waited for. Most come within a second or two; a slow machine may be busy besides. */
export const PATIENCE_MS = 90_000;

/** Asks again until the answer is true; an error that names what was waited for when the time is up. */
export async function poll(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  withinMs = PATIENCE_MS,
): Promise<void> {
  const until = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > until) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
