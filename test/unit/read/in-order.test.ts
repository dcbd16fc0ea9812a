import { expect, test } from 'vitest';
import { inOrder } from '../../../src/read/in-order.ts';

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
