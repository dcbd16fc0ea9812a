import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatLsn, lsnFromBits } from '../../src/core/position/lsn.ts';
import { eventually } from '../support/nearjoin.ts';
import { poll } from '../support/poll.ts';
import { randomFrom } from '../support/random-from.ts';
import { Checker } from './checker.ts';
import { chooseFault } from './faults.ts';
import { Reader } from './readers.ts';
import { pause } from './target.ts';
import { World } from './world.ts';

// While a target is written to and everything around it breaks, whatever nodes answer is held against the target's own
// log: the state at the position the answer names, its age, the bound and the token that were asked for.

const BUDGET_MS = Number(process.env['NEARJOIN_HISTORY_SECONDS'] ?? 12) * 1000;
const SEED = Number(process.env['NEARJOIN_SEED'] ?? Math.floor(Math.random() * 1e9));
const WRITERS = 3;
const READERS = 6;

let world: World;

beforeAll(async () => {
  world = await World.open();
});

afterAll(() => world?.close());

test('every answer is the state of the target at the position it names, whatever breaks', {
  timeout: BUDGET_MS + 300_000,
}, async () => {
  const random = randomFrom(SEED);
  const happened: string[] = [];
  const stop = new AbortController();
  const readers = Array.from(
    { length: READERS },
    (_, at) => new Reader(at, () => [world.api, world.both], world.target, randomFrom(SEED + 1 + at)),
  );
  const checker = new Checker(readers, world.target, happened);
  world.target.startWriting(randomFrom(SEED + 100), WRITERS);
  const reading = readers.map((reader) => reader.run(stop.signal));
  const begunMs = performance.now();
  const breaking = (async () => {
    while (performance.now() - begunMs < BUDGET_MS) {
      await pause(800 + random() * 2_200);
      const fault = chooseFault(random);
      happened.push(`${Math.round(performance.now() - begunMs)} ms: ${fault.name}`);
      await fault.happen(world, random);
    }
  })();
  const checking = (async () => {
    while (!stop.signal.aborted) {
      await pause(1_000);
      checker.check(await world.target.readLog().catch(() => 0n));
    }
  })();
  const told = (): string => {
    const counts = JSON.stringify({
      transactions: world.target.model.last,
      early: world.streams,
      ...checker.seen,
    });
    return `NEARJOIN_SEED=${SEED}\n${happened.join('\n')}\n${counts}`;
  };
  try {
    await breaking;
    await world.settled();
    // However slow the machine, and whatever has been wrong all the time.
    await poll(`answers by both routes: ${told()}`, () => isEnough(checker));
  } finally {
    stop.abort();
    await Promise.all([...reading, checking]);
    await world.target.stopWriting();
  }
  await world.streamsEarly();
  await world.target.flood();
  checker.check(await world.target.readLog());
  checker.checkSessions();
  expect(checker.faults, told()).toEqual([]);
  await expectConverged();
  process.stderr.write(`history: ${told()}\n`);
});

function isEnough({ seen: { cache = 0, live = 0 } }: Checker): boolean {
  return cache > 20 && live > 5;
}

/** When writes stop, the cache is the target, and the product's own comparison says so. */
async function expectConverged(): Promise<void> {
  const { model } = world.target;
  const token = `pg2:${formatLsn(lsnFromBits(model.endOf(model.last)))}`;
  // A node waits for the cache only so long for one query; the machine may be busy.
  const text = await eventually(async () => {
    const answer = await world.api.graphql(world.query, {
      headers: {
        'x-nearjoin-token': token,
        'x-nearjoin-fallback': 'wait',
        'x-nearjoin-max-staleness': '60000',
      },
    });
    return answer.text.includes('"not-fresh"') ? undefined : answer.text;
  });
  expect(text).toBe(model.answer(model.last));
  const verified = await world.verify();
  for (const table of verified)
    expect(table).toMatchObject({ state: 'compared', insert: 0, update: 0, delete: 0, unsettled: 0 });
}
