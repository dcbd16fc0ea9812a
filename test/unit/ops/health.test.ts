import { expect, test } from 'vitest';
import { healthOf } from '../../../src/ops/health.ts';

test('who asks while a look is under way gets what that one finds', async () => {
  let looks = 0;
  let answer: () => void = () => undefined;
  const health = healthOf({
    isLeaving: () => false,
    askMetadata: () => {
      looks += 1;
      return new Promise<void>((resolve) => {
        answer = resolve;
      });
    },
    inconsistentObjects: () => looks - 1,
    timeoutMs: 60_000,
  });
  const both = Promise.all([health(), health()]);
  answer();
  expect(await both).toEqual(['ok', 'ok']);
  const later = health();
  answer();
  expect([await later, looks]).toEqual(['inconsistent', 2]);
});
