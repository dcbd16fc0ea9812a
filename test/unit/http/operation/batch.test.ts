import { expect, test } from 'vitest';
import { runBatch } from '../../../../src/http/operation/batch.ts';
import type { OperationResult } from '../../../../src/http/operation/graphql-reply.ts';

const ANSWER: OperationResult = { kind: 'data', body: Buffer.from('{}'), targets: [] };

/** As long as a query of many tokens takes to be read. */
function work(): void {
  const untilMs = performance.now() + 15;
  while (performance.now() < untilMs);
}

test('each long operation of a batch has a turn of its own, with those of others between', async () => {
  let turn = 0;
  let counting = setImmediate(function count() {
    turn += 1;
    counting = setImmediate(count);
  });
  const turns: number[] = [];
  const requests = Array.from({ length: 12 }, () => ({ query: '', operationName: null, variables: {} }));
  const answers = await runBatch(requests, 1000, async () => {
    turns.push(turn);
    work();
    return ANSWER;
  });
  clearImmediate(counting);
  expect(new Set(turns).size).toBe(12);
  expect(answers).toEqual(requests.map(() => ANSWER));
});
