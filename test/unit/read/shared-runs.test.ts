import { expect, test, vi } from 'vitest';
import { Stop } from '../../../src/core/waiting/stop-signal.ts';
import type { RunOptions, WireRow } from '../../../src/read/wire/request.ts';
import { SharedRuns } from '../../../src/read/wire/shared-runs.ts';
import { Shares } from '../../../src/read/wire/shares.ts';
import { poll } from '../../support/poll.ts';

/** One execution: what it was asked with, and how it ends. */
interface Execution {
  readonly text: string;
  readonly options: RunOptions;
  readonly end: (rows?: readonly WireRow[]) => void;
  readonly fail: () => void;
}

const gone = new Error('gone');
const STATEMENT = { text: 'alone', together: { text: 'together', isLookUp: true } };

/** Requests of one turn with these signals, and what the database is asked for them. */
async function asked(signals: readonly Stop[]): Promise<{
  readonly answers: readonly Promise<WireRow>[];
  readonly executions: readonly Execution[];
}> {
  const executions: Execution[] = [];
  const runs = new SharedRuns(
    (text, _values, options) =>
      new Promise((resolve, reject) => {
        executions.push({ text, options, end: (rows = []) => resolve(rows), fail: () => reject(gone) });
      }),
  );
  const answers = signals.map((signal, i) => runs.ask(STATEMENT, [String(i)], signal));
  for (const answer of answers) answer.catch(() => undefined);
  await new Promise((sent) => setImmediate(sent));
  return { answers, executions };
}

function rowOf(place: number): WireRow {
  return [Buffer.from(`answer ${place}`), Buffer.from(String(place))];
}

test('who has gone before the turn is over is told so, and the others are answered', async () => {
  const signals = [new Stop(), new Stop()];
  const asking = asked(signals);
  signals[1]?.abort(gone);
  const { answers, executions } = await asking;
  for (const place of [1, 2]) executions[0]?.options.onRow?.(rowOf(place));
  expect(await Promise.allSettled(answers)).toEqual([
    { status: 'fulfilled', value: rowOf(1) },
    { status: 'rejected', reason: gone },
  ]);
});

test('an execution is given up when the last who waits for it has gone, and not before', async () => {
  const signals = [new Stop(), new Stop(), new Stop()];
  const { executions } = await asked(signals);
  const [execution] = executions;
  execution?.options.onRow?.(rowOf(1));
  signals[1]?.abort(gone);
  expect(execution?.options.signal?.aborted).toBe(false);
  signals[2]?.abort(gone);
  expect(execution?.options.signal?.aborted).toBe(true);
});

test('an execution that has answered all is not given up', async () => {
  const signals = [new Stop(), new Stop()];
  const { answers, executions } = await asked(signals);
  for (const place of [2, 1]) executions[0]?.options.onRow?.(rowOf(place));
  expect(await Promise.all(answers)).toEqual([rowOf(1), rowOf(2)]);
  expect(executions[0]?.options.signal?.aborted).toBe(false);
});

test('who has no row when the execution ends is asked for alone', async () => {
  const { answers, executions } = await asked([new Stop(), new Stop()]);
  executions[0]?.options.onRow?.(rowOf(1));
  executions[0]?.end();
  await poll('another execution', () => executions.length === 2);
  expect(executions.map(({ text }) => text)).toEqual(['together', 'alone']);
  executions[1]?.end([rowOf(7)]);
  expect(await Promise.all(answers)).toEqual([rowOf(1), rowOf(7)]);
});

test.each([
  { requests: 1, hasTurn: true, how: 'end', noted: [1] },
  { requests: 1, hasTurn: true, how: 'fail', noted: [] },
  { requests: 2, hasTurn: true, how: 'fail', noted: [2] },
  { requests: 2, hasTurn: false, how: 'fail', noted: [] },
] as const)('how long an execution took is noted: $requests, had a session: $hasTurn, $how', async (run) => {
  const { requests, hasTurn, how, noted } = run;
  const took = vi.spyOn(Shares.prototype, 'took');
  const { executions } = await asked(Array.from({ length: requests }, () => new Stop()));
  const [execution] = executions;
  if (hasTurn) execution?.options.onTurn?.();
  execution?.[how]([rowOf(1)]);
  await new Promise((settled) => setImmediate(settled));
  expect(took.mock.calls.map(([, of]) => of)).toEqual(noted);
  took.mockRestore();
});
