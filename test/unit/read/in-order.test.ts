import { expect, test } from 'vitest';
import { Stop, type StopSignal } from '../../../src/core/waiting/stop-signal.ts';
import { inOrder, whileNeeded } from '../../../src/read/in-order.ts';

const failed = (why: string): Promise<never> => Promise.reject(new Error(why));

test('everything is given in its order, and the first failure there is told, not the soonest', async () => {
  const later = new Promise<string>((resolve) => setImmediate(resolve, 'later'));
  expect(await inOrder([later, Promise.resolve('now')])).toEqual(['later', 'now']);
  const lateFailure = later.then(() => failed('first'));
  await expect(inOrder([lateFailure, failed('soonest')])).rejects.toThrow('first');
});

test('a failure does not wait for what comes behind it', async () => {
  const never = new Promise<never>(() => undefined);
  await expect(inOrder([failed('first'), never])).rejects.toThrow('first');
});

const untilStopped = (signal: StopSignal): Promise<string> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

test('what comes behind one that failed is ended, what comes before it goes on', async () => {
  const ended: string[] = [];
  let answer: (text: string) => void = () => undefined;
  const before = (signal: StopSignal): Promise<string> => {
    signal.addEventListener('abort', () => ended.push('before'));
    return new Promise((resolve) => {
      answer = resolve;
    });
  };
  const behind = (signal: StopSignal): Promise<string> =>
    untilStopped(signal).finally(() => {
      ended.push('behind');
      answer('there');
    });
  const all = whileNeeded(new Stop(), [before, () => failed('in between'), behind]);
  await expect(all).rejects.toThrow('in between');
  expect(ended).toEqual(['behind']);
});

test.each([1, 2])('with the caller’s signal all are ended: %i', async (count) => {
  const caller = new Stop();
  const all = whileNeeded(
    caller,
    Array.from({ length: count }, () => untilStopped),
  );
  caller.abort(new Error('gone'));
  await expect(all).rejects.toThrow('gone');
});
