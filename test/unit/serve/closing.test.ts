import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { LEAVE_MS } from '../../../src/core/waiting/after-abort.ts';
import { createLog } from '../../../src/ops/log.ts';
import { Closing } from '../../../src/serve/closing.ts';

const TIMEOUT_MS = 20;

test('what cuts its work off in time is not called late in a process that stood still meanwhile', async () => {
  const warned: string[] = [];
  const log = Object.assign(createLog('silent'), {
    warn: (_: object, what: string) => void warned.push(what),
  });
  const closing = new Closing(log, TIMEOUT_MS);
  closing.add('requests', async () => {
    await new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS));
    for (let turn = 0; turn < 3; turn += 1) await setImmediate();
  });
  const closed = closing.closeAll();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TIMEOUT_MS + LEAVE_MS);
  await closed;
  expect(warned).toEqual([]);
});

test('what does not end is called late, and does not keep the others open', async () => {
  const warned: object[] = [];
  const log = Object.assign(createLog('silent'), { warn: (fields: object) => void warned.push(fields) });
  const closing = new Closing(log, TIMEOUT_MS);
  let isClosed = false;
  closing.add('the first', async () => {
    isClosed = true;
  });
  closing.add('the last', () => new Promise(() => undefined));
  await closing.closeAll();
  expect({ warned, isClosed }).toEqual({ warned: [{ what: 'the last' }], isClosed: true });
});
