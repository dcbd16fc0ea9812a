/** Work that waits for its turn. */
export interface Job {
  run(): Promise<void>;
  cancel(reason: Error): void;
}

/** Work as a job, and how it went. */
export function jobOf<T>(work: () => Promise<T>): { readonly job: Job; readonly done: Promise<T> } {
  let [resolve, reject] = [(_: T): void => undefined, (_: Error): void => undefined];
  const done = new Promise<T>((...settle) => {
    [resolve, reject] = settle;
  });
  return { job: { run: () => work().then(resolve, reject), cancel: reject }, done };
}
