import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';

const apart: ChildProcess[] = [];

/**
 * A process in a session of its own, as each Postgres has: the scheduler deals out time by session, and the load has much
 * to do. Every server under measurement is started so.
 */
export function forkApart(file: string, args: readonly string[], options: ForkOptions): ChildProcess {
  if (apart.length === 0) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, endAll);
  const child = fork(file, args, { ...options, detached: true });
  apart.push(child);
  return child;
}

/** In sessions of their own they hear nothing of what ends this one. */
function endAll(): never {
  for (const child of apart) child.kill('SIGTERM');
  process.exit(1);
}
