import { expect, test } from 'vitest';
import { ConnectorError } from '../../../../connectors/connector.ts';
import { Standing } from '../../../../src/replicate/lead/standing.ts';
import { HandClock } from '../../../support/hand-clock.ts';

/** A target whose standing a test sets, and a wait for it to change. */
function scene(first: string | null) {
  const clock = new HandClock();
  const target = { standing: first };
  const standing = new Standing(
    {
      standing: () =>
        target.standing === null
          ? Promise.reject(new ConnectorError('retry', 'nobody there'))
          : Promise.resolve(target.standing),
    },
    clock,
  );
  const begin = () => {
    const stop = new AbortController();
    const wait = { isOver: false, stop: () => stop.abort() };
    void standing.untilPutRight(stop.signal).then(() => {
      wait.isOver = true;
    });
    return wait;
  };
  return { clock, target, standing, begin };
}

test('what was put right before the first look is found by another try, soon', async () => {
  const { clock, begin } = scene('put right already');
  const wait = begin();
  await clock.pass(999);
  expect(wait.isOver).toBe(false);
  await clock.pass(1);
  expect(wait.isOver).toBe(true);
});

test('what is put right while something is tried in vain is found a second later', async () => {
  const { clock, target, begin } = scene('unfit');
  begin();
  await clock.pass(1_000);
  target.standing = 'fit';
  const wait = begin();
  await clock.pass(1_000);
  expect(wait.isOver).toBe(true);
});

test('while nothing changes nothing is tried again', async () => {
  const { clock, target, begin } = scene('unfit');
  begin();
  await clock.pass(1_000);
  const wait = begin();
  await clock.pass(60_000);
  expect(wait.isOver).toBe(false);
  target.standing = 'fit';
  await clock.pass(1_000);
  expect(wait.isOver).toBe(true);
});

test('a target that refuses to be asked is asked every five seconds', async () => {
  const { clock, target, begin } = scene(null);
  const first = begin();
  await clock.pass(4_999);
  expect(first.isOver).toBe(false);
  await clock.pass(1);
  expect(first.isOver).toBe(true);
  const wait = begin();
  await clock.pass(20_000);
  expect(wait.isOver).toBe(false);
  target.standing = 'there again';
  await clock.pass(5_000);
  expect(wait.isOver).toBe(true);
});

test('a failure of a new series is tried again soon, whatever was seen in the last one', async () => {
  const { clock, standing, begin } = scene('unfit');
  begin();
  await clock.pass(1_000);
  standing.forget();
  const wait = begin();
  await clock.pass(1_000);
  expect(wait.isOver).toBe(true);
});

test('a wait that is not wanted any more ends at once', async () => {
  const { clock, begin } = scene('unfit');
  begin();
  await clock.pass(1_000);
  const wait = begin();
  await clock.pass(500);
  wait.stop();
  await clock.pass(1);
  expect(wait.isOver).toBe(true);
});
