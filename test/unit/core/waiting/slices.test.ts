import { expect, onTestFinished, test } from 'vitest';
import { inSlices, type Steps } from '../../../../src/core/waiting/slices.ts';
import { Wire } from '../../../support/wire.ts';

test('what came during the first slice is read before the second', async () => {
  const wire = await Wire.open();
  onTestFinished(() => wire.close());
  const events: string[] = [];
  const { next } = await wire.arrival();
  const other = next.then(() => events.push('other'));
  let nowMs = 0;
  await inSlices(steps(events), { monotonicMs: () => (nowMs += 10) });
  await other;
  expect(events).toEqual(['slice', 'other', 'slice']);
});

function* steps(events: string[]): Steps<void> {
  events.push('slice');
  yield;
  events.push('slice');
}
