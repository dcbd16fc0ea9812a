import type { Clock } from './clock.ts';
import { nextTurn } from './next-turn.ts';

/** Work that can be interrupted after each of its steps. */
export type Steps<T> = Generator<void, T>;

/** The longest time that the work may keep the process from everything else. */
const SLICE_MS = 10;

/** Does the work in slices, between which everything else has its turn. */
export async function inSlices<T>(steps: Steps<T>, clock: Pick<Clock, 'monotonicMs'>): Promise<T> {
  let begun = clock.monotonicMs();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (clock.monotonicMs() - begun < SLICE_MS) continue;
    await nextTurn();
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
