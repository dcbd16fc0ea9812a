import { settleable } from '../../core/waiting/settleable.ts';

/** Work that waits for its turn. */
export interface Job {
  run(): Promise<void>;
  cancel(reason: Error): void;
}

/** Work as a job, and how it went. */
export function jobOf<T>(work: () => Promise<T>): { readonly job: Job; readonly done: Promise<T> } {
  const { promise: done, resolve, reject } = settleable<T>();
  return { job: { run: () => work().then(resolve, reject), cancel: reject }, done };
}
