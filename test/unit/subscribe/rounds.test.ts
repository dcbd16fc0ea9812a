import { expect, test } from 'vitest';
import { settleable } from '../../../src/core/waiting/settleable.ts';
import { Stop } from '../../../src/core/waiting/stop-signal.ts';
import type { CompiledPlan } from '../../../src/read/compiled-plan.ts';
import { Rounds } from '../../../src/subscribe/rounds.ts';
import { HandClock } from '../../support/hand-clock.ts';

const [light, heavy, other] = [{}, {}, {}] as unknown as readonly [CompiledPlan, CompiledPlan, CompiledPlan];
const unending = new Stop();

/** Notes what begins when, and with how many. */
class Work {
  readonly clock = new HandClock();
  readonly rounds: Rounds;
  readonly begun: string[] = [];

  constructor(atOnce: number) {
    this.rounds = new Rounds(atOnce, this.clock);
  }

  ask(plan: CompiledPlan, name: string, ms: number, signal: Stop = unending): Promise<string> {
    return this.rounds.take(
      plan,
      async (together) => {
        this.begun.push(`${this.clock.monotonicMs()} ${name} of ${together}`);
        await this.clock.delay(ms);
        if (name === 'failing') throw new Error('of this one');
        return name;
      },
      signal,
    );
  }
}

test('short readings of one plan that wait begin together, as many as share an execution', async () => {
  const work = new Work(1);
  const all = Promise.all(Array.from({ length: 36 }, (_, i) => work.ask(light, `${i}`, i === 0 ? 10 : 1)));
  await work.clock.pass(20);
  expect(
    work.begun.map((one) => one.split(' ').slice(0, 1).concat(one.split(' ').slice(3)).join(' ')),
  ).toEqual(['0 1', '10 2', '10 2', ...Array.from({ length: 32 }, () => '11 32'), '12 1']);
  expect(await all).toEqual(Array.from({ length: 36 }, (_, i) => `${i}`));
});

test('readings that take long begin one by one, and plans take turns', async () => {
  const work = new Work(1);
  for (const name of ['a', 'b', 'c']) void work.ask(heavy, name, 40);
  for (const name of ['x', 'y', 'z']) void work.ask(light, name, 1);
  await work.clock.pass(200);
  expect(work.begun).toEqual(['0 a of 1', '40 b of 1', '80 x of 1', '81 c of 1', '121 y of 2', '121 z of 2']);
});

test('plans that are late hold up the others once, and then leave them a place', async () => {
  const work = new Work(2);
  for (const name of ['a', 'b', 'c', 'd']) void work.ask(heavy, name, 1000);
  for (const name of ['x', 'y']) void work.ask(light, name, 10);
  await work.clock.pass(1100);
  expect(work.begun).toEqual(['0 a of 1', '0 b of 1', '250 x of 1', '260 y of 1', '1000 c of 1']);
  for (const name of ['u', 'v']) void work.ask(other, name, 2000);
  void work.ask(light, 'z', 10);
  await work.clock.pass(2000);
  expect(work.begun.slice(5)).toEqual(['1100 u of 1', '1350 z of 1', '3100 d of 1']);
  await work.clock.pass(3000);
  expect(work.begun.slice(8)).toEqual(['4100 v of 1']);
});

test('what was late and is quick again takes its turns as before', async () => {
  const work = new Work(2);
  void work.ask(heavy, 'a', 1000);
  await work.clock.pass(1000);
  for (const name of ['b', 'c', 'd', 'e']) void work.ask(heavy, name, 20);
  await work.clock.pass(100);
  expect(work.begun.slice(1)).toEqual(['1000 b of 1', '1020 c of 1', '1020 d of 1', '1040 e of 1']);
});

test('what was late once, but not for long, does not wait for what is held up', async () => {
  const work = new Work(2);
  void work.ask(heavy, 'held', 60_000);
  void work.ask(light, 'late', 400);
  await work.clock.pass(500);
  void work.ask(light, 'quick', 10);
  await work.clock.pass(20);
  expect(work.begun.slice(1)).toEqual(['0 late of 1', '500 quick of 1']);
  for (const name of ['late again', 'and again', 'and waits']) void work.ask(light, name, 300);
  await work.clock.pass(1000);
  expect(work.begun.slice(3)).toEqual(['520 late again of 1', '820 and again of 1']);
});

test('that the process stood still makes nothing late', async () => {
  const work = new Work(2);
  void work.ask(heavy, 'held', 60_000);
  const answer = settleable<void>();
  void work.rounds.take(light, () => answer.promise, unending);
  await work.clock.pass(100);
  // Timers are called before anything is read.
  await work.clock.standStill(700);
  answer.resolve();
  await work.clock.pass(1);
  void work.ask(light, 'next', 10);
  await work.clock.pass(1);
  expect(work.begun).toEqual(['0 held of 1', '801 next of 1']);
});

test('one that fails or leaves takes nothing from the others of its round', async () => {
  const work = new Work(1);
  const gone = new Stop();
  const first = work.ask(light, 'first', 1);
  const outcomes = Promise.allSettled([
    work.ask(light, 'failing', 1),
    work.ask(light, 'left', 1, gone),
    work.ask(light, 'other', 1),
  ]);
  gone.abort(new Error('it left'));
  await work.clock.pass(5);
  expect(await first).toBe('first');
  expect((await outcomes).map((one) => (one.status === 'rejected' ? String(one.reason) : one.value))).toEqual(
    ['Error: of this one', 'Error: it left', 'other'],
  );
  expect(work.begun).toEqual(['0 first of 1', '1 failing of 2', '1 other of 2']);
  await expect(work.ask(light, 'late', 1, gone)).rejects.toThrow('it left');
  void work.ask(light, 'next', 1);
  expect(work.begun.at(-1)).toBe('5 next of 1');
  await work.clock.pass(2);
});
