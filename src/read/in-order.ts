/** What all of them give; else what the first in their order fails with, however soon one behind it fails. */
export async function inOrder<T>(waits: readonly Promise<T>[]): Promise<readonly T[]> {
  for (const wait of waits) wait.catch(() => undefined); // told below, or not at all
  const all: T[] = [];
  for (const wait of waits) all.push(await wait);
  return all;
}
