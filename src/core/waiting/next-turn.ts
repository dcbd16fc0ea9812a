/**
 * Lets everything else have its turn, and what has come from outside meanwhile. What asks for this while something from outside
 * is dealt with would be called right behind that the first time, before anything more is read.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
