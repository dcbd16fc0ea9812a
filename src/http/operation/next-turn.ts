import { setImmediate } from 'node:timers/promises';

/**
 * Lets everything else have its turn, and what has come from outside meanwhile. What asks for this while something from outside
 * is dealt with would be called right behind that the first time, before anything more is read.
 */
export async function nextTurn(): Promise<void> {
  await setImmediate();
  await setImmediate();
}
