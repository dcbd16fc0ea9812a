import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../core/waiting/clock.ts';

/** Work that can be left off after any of its steps, and gone on with. */
export type Steps<T> = Generator<void, T>;

/** So long one piece of work keeps the process from all else. */
const SLICE_MS = 10;

/** Does the work in slices, between which everything else has its turn. */
export async function inSlices<T>(steps: Steps<T>, clock: Pick<Clock, 'monotonicMs'>): Promise<T> {
  let begun = clock.monotonicMs();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (clock.monotonicMs() - begun < SLICE_MS) continue;
    await setImmediate();
    begun = clock.monotonicMs();
  }
}

/** Does the work at once. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
