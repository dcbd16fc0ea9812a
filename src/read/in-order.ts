/** As `Promise.all`, but it throws the failure that is first in the list, not the one that happens first. */
export async function inOrder<T>(waits: readonly Promise<T>[]): Promise<readonly T[]> {
  for (const wait of waits) wait.catch(() => undefined); // told below, or not at all
  const all: T[] = [];
  for (const wait of waits) all.push(await wait);
  return all;
}
