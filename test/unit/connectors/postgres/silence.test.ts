import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { AdminPool } from '../../../../connectors/postgres/client.ts';
import { DEFAULT_TIMINGS } from '../../../../connectors/postgres/settings.ts';
import { type Silence, silenceOfStream } from '../../../../connectors/postgres/silence.ts';

/** Too long is after four ticks; whoever is asked then has two more to answer. */
const timings = { ...DEFAULT_TIMINGS, tickMs: 10, silenceMs: 40 };

/** A stream whose target is asked whether it is at work, and what has been told. */
function watched(answer: () => Promise<readonly object[]>): {
  readonly silence: Silence;
  readonly told: readonly string[];
} {
  const told: string[] = [];
  const log = { info: (_: object, what: string) => void told.push(what), warn: () => undefined };
  const admin = { target: { timings, name: 'slot', log }, rows: answer } as unknown as AdminPool;
  return { silence: silenceOfStream(admin, ({ message }) => void told.push(message)), told };
}

function tick(silence: Silence, times: number): void {
  for (let at = 0; at < times; at += 1) silence.tick();
}

const WORKING = 'the target is at work and sends nothing yet';
const DEAD = 'the target has been silent for 0 seconds';

test('a target that is at work is not dead, though this process stood still until its answer came', async () => {
  const { silence, told } = watched(async () => {
    for (let turn = 0; turn < 3; turn += 1) await setImmediate();
    return [{}];
  });
  tick(silence, 4);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, timings.silenceMs);
  for (let turn = 0; turn < 5; turn += 1) await setImmediate();
  expect(told).toEqual([WORKING]);
});

test('one that cannot be asked either is dead, and told so once', async () => {
  const { silence, told } = watched(() => new Promise(() => undefined));
  tick(silence, 5);
  expect(told).toEqual([]);
  tick(silence, 5);
  expect(told).toEqual([DEAD]);
});

test('who speaks again while he is being asked after has all the time anew', async () => {
  const { silence, told } = watched(() => new Promise(() => undefined));
  tick(silence, 5);
  silence.broken();
  tick(silence, 4);
  expect(told).toEqual([]);
  tick(silence, 1);
  expect(told).toEqual([DEAD]);
});
