import { expect, onTestFinished, test } from 'vitest';
import { runBatch } from '../../../../src/http/operation/batch.ts';
import type { OperationResult } from '../../../../src/http/operation/graphql-reply.ts';
import type { GraphqlRequest } from '../../../../src/http/operation/graphql-request.ts';
import { Wire } from '../../../support/wire.ts';

const ANSWER: OperationResult = { kind: 'data', body: Buffer.from('{}'), targets: [] };

function requests(length: number): readonly GraphqlRequest[] {
  return Array.from({ length }, () => ({ query: '', operationName: null, variables: {} }));
}

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
  const answers = await runBatch(requests(12), 1000, async () => {
    turns.push(turn);
    work();
    return ANSWER;
  });
  clearImmediate(counting);
  expect(new Set(turns).size).toBe(12);
  expect(answers).toEqual(requests(12).map(() => ANSWER));
});

test('what came while the first long operation was planned is read before the second', async () => {
  const wire = await Wire.open();
  onTestFinished(() => wire.close());
  const events: string[] = [];
  const { next } = await wire.arrival();
  const other = next.then(() => events.push('other'));
  await runBatch(requests(2), 1000, async () => {
    events.push('one');
    work();
    return ANSWER;
  });
  await other;
  expect(events).toEqual(['one', 'other', 'one']);
});
