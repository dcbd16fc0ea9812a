import { expect, test } from 'vitest';
import { tellHeldUpBySource } from '../../../../src/replicate/lead/held-up.ts';

const READER = [
  {
    what: 'nearjoin.pg2__public__item__g1',
    holders: 'session 4711 (psql)',
    cure: 'select pg_terminate_backend(4711);',
  },
];
const SAID =
  'waiting for a lock on nearjoin.pg2__public__item__g1 in the source, which is held by session 4711 (psql); end what it is at there, or run: select pg_terminate_backend(4711);';

test('what waits is told once, also while it tries again and again, and that it is over', async () => {
  // How long the source has been waiting, and which lock is seen then, second by second.
  const seen: readonly (readonly [waitingMs: number, locks: typeof READER])[] = [
    [4_000, []],
    [5_000, READER],
    [6_000, []],
    [7_000, READER],
    [8_000, []],
    [0, []],
  ];
  const stop = new AbortController();
  const logged: unknown[] = [];
  const saved: unknown[] = [];
  let at = -1;
  const delay = (): Promise<void> => {
    at += 1;
    if (at === seen.length) stop.abort();
    return Promise.resolve();
  };
  const log = { warn: (fields: object) => void logged.push(fields) };
  const answer = (statement: unknown, values: readonly unknown[]): unknown[] => {
    if (!String(statement).includes('pg_locks')) return [saved.push(values[2])];
    return seen[at]?.[1] ?? [];
  };
  await tellHeldUpBySource(
    {
      options: { clock: { monotonicMs: () => 0, delay }, log },
      control: {
        query: (statement, values = []) =>
          Promise.resolve({ rows: answer(statement, values), rowCount: null, fields: [] }),
      },
      lease: { target: 'pg2', epoch: 1n },
    },
    {
      pid: 1,
      state: 'streaming',
      pump: {
        get waitingMs() {
          return seen[at]?.[0] ?? 0;
        },
        early: { pids: [] },
      },
    },
    stop.signal,
  );
  expect(logged).toEqual([{ reason: SAID }]);
  expect(saved).toEqual(['retrying', 'streaming']);
});
