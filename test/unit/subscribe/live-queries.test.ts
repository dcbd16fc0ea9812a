import { describe, expect, test } from 'vitest';
import { NearjoinError } from '../../../src/core/errors.ts';
import type { Lsn } from '../../../src/core/position/lsn.ts';
import type { QueryPlan } from '../../../src/plan/plan.ts';
import { compilePlan } from '../../../src/read/compiled-plan.ts';
import type { ReadAnswer, ReadRequest } from '../../../src/read/read-request.ts';
import { ConnectionLost } from '../../../src/read/wire/failure.ts';
import { LiveQueries } from '../../../src/subscribe/live-queries.ts';
import { bothOf, type LiveAnswer, type LiveQuery } from '../../../src/subscribe/live-query.ts';
import { HandClock } from '../../support/hand-clock.ts';
import { poll } from '../../support/poll.ts';

class World {
  readonly clock = new HandClock();
  readonly runs: number[] = [];
  answer = 'a';
  /** How long a reading takes, of what is there when it begins. */
  takesMs = 0;
  /** What a stream gives behind each value: rows, and where they end. */
  batches: Readonly<Record<string, readonly [string, string]>> | null = null;
  failure: Error | null = null;
  /** Where the rows of targets come from. */
  targets: (asked: ReadRequest['freshness']) => ReadAnswer['targets'] = () => [];
  applied = new Map([['pg2', '0/1']]);
  readonly live: LiveQueries;

  constructor({ runMs = 60_000 } = {}) {
    const lane = {
      run: async ({ values, freshness, signal }: ReadRequest): Promise<ReadAnswer> => {
        this.runs.push(this.clock.monotonicMs());
        const { failure } = this;
        const [body, cursor] = this.#batch(String(values[0]));
        const answer = { body: Buffer.from(body), targets: this.targets(freshness), cursor };
        if (this.takesMs > 0) await this.clock.delay(this.takesMs, signal);
        signal.throwIfAborted();
        if (failure !== null) throw failure;
        return answer;
      },
      appliedCommits: () =>
        this.failure === null ? Promise.resolve(new Map(this.applied)) : Promise.reject(this.failure),
    };
    this.live = new LiveQueries(lane, { refetchMs: 1000, atOnce: 1, runMs }, this.clock);
  }

  #batch(cursor: string): readonly [string, string | null] {
    return this.batches === null ? [this.answer, null] : (this.batches[cursor] ?? ['none', null]);
  }
}

class Listener {
  readonly taken: string[] = [];
  isBehind = false;

  take(answer: LiveAnswer): boolean {
    if (this.isBehind) return false;
    this.taken.push(answer.kind === 'data' ? answer.body.toString() : String(answer.error));
    return true;
  }
}

function queryOf(value: string, target: string | null = null, isStream = false, source = 'pg1'): LiveQuery {
  const plan: QueryPlan = {
    role: 'user',
    roots: [],
    params: [],
    cursor: isStream ? { kind: 'param', index: 0 } : null,
    sessionVariables: [],
    remotes: [],
    nodes: 1,
  };
  const compiled = compilePlan(plan, false);
  const group = { source, remotes: target === null ? [] : [{ source, target }] };
  return {
    compiled: { ...compiled, groups: [group] } as unknown as LiveQuery['compiled'],
    values: [value],
    introspection: [],
    freshness: { noCache: false, maxStalenessMs: null, fallback: null, tokens: new Map() },
  };
}

describe('live queries', () => {
  test('equal queries are one cohort; other values are another', async () => {
    const world = new World();
    const query = queryOf('x');
    const [one, two, other] = [new Listener(), new Listener(), new Listener()];
    world.live.subscribe(query, one);
    world.live.subscribe(query, two);
    world.live.subscribe({ ...query, values: ['y'] }, other);
    await world.clock.pass(60);
    expect(world.live.counts).toMatchObject({ subscribers: 3, cohorts: 2 });
    expect([one.taken, two.taken, other.taken]).toEqual([['a'], ['a'], ['a']]);
    await world.live.close();
  });

  test('a query is read again after the interval, and told when the answer is another', async () => {
    const world = new World();
    const listener = new Listener();
    world.live.subscribe(queryOf('x'), listener);
    await world.clock.pass(1500);
    expect([listener.taken, world.runs]).toEqual([['a'], [0, 1000]]);
    world.answer = 'b';
    await world.clock.pass(1000);
    expect(listener.taken).toEqual(['a', 'b']);
    expect(world.live.counts.runs).toEqual({ changed: 2, same: 1, failed: 0 });
    await world.live.close();
  });

  test('what a feed brings is read at once, at the pace that is allowed', async () => {
    const world = new World();
    const [listener, elsewhere] = [new Listener(), new Listener()];
    world.live.subscribe(queryOf('x', 'pg2'), listener);
    world.live.subscribe(queryOf('x', 'pg3'), elsewhere);
    await world.clock.pass(300);
    const before = world.runs.length;
    world.answer = 'b';
    world.applied = new Map([['pg2', '0/2']]);
    await world.clock.pass(100);
    expect(listener.taken).toEqual(['a', 'b']);
    expect(elsewhere.taken).toEqual(['a']);
    // Commits that come all the time do not make it read all the time.
    for (let at = 3; at < 103; at += 1) {
      world.applied = new Map([['pg2', `0/${at}`]]);
      await world.clock.pass(1);
    }
    expect(world.runs.length - before).toBeLessThan(6);
    await world.live.close();
  });

  test('a failure is told once, retried ever more slowly, and followed by the answer', async () => {
    const world = new World();
    const listener = new Listener();
    world.failure = new NearjoinError('source-unavailable', 'down');
    world.live.subscribe(queryOf('x'), listener);
    await world.clock.pass(60_000);
    expect(listener.taken).toEqual(['NearjoinError: down']);
    expect(world.runs.slice(0, 5)).toEqual([0, 2000, 6000, 14_000, 24_000]);
    world.failure = new NearjoinError('source-unavailable', 'still down');
    await world.clock.pass(10_000);
    world.failure = null;
    await world.clock.pass(10_000);
    expect(listener.taken).toEqual(['NearjoinError: down', 'NearjoinError: still down', 'a']);
    expect(world.live.counts.runs).toMatchObject({ changed: 1, failed: 9 });
    await world.live.close();
  });

  test('who is behind gets the newest answer when it catches up', async () => {
    const world = new World();
    const listener = new Listener();
    const subscription = world.live.subscribe(queryOf('x'), listener);
    await world.clock.pass(1);
    listener.isBehind = true;
    for (const answer of ['b', 'c', 'd']) {
      world.answer = answer;
      await world.clock.pass(1000);
    }
    listener.isBehind = false;
    subscription.catchUp();
    await world.clock.pass(100);
    expect(listener.taken).toEqual(['a', 'd']);
    await world.live.close();
  });

  test('who comes again with what it has seen is not told again', async () => {
    const world = new World();
    const listener = new Listener();
    const seen = world.live.subscribe(queryOf('x'), listener).leave();
    expect(seen).toEqual({ digest: null, cursor: null, shown: new Map() });
    const first = world.live.subscribe(queryOf('x'), listener);
    await world.clock.pass(1);
    world.live.subscribe(queryOf('y'), listener, first.leave());
    await world.clock.pass(100);
    expect(listener.taken).toEqual(['a']);
    await world.live.close();
  });

  test('nothing is read once nobody subscribes', async () => {
    const world = new World();
    const subscription = world.live.subscribe(queryOf('x', 'pg2'), new Listener());
    await world.clock.pass(10);
    subscription.leave();
    subscription.leave();
    const runs = world.runs.length;
    world.applied = new Map([['pg2', '0/9']]);
    await world.clock.pass(5000);
    expect(world.runs.length).toBe(runs);
    expect(world.live.counts).toMatchObject({ subscribers: 0, cohorts: 0 });
    await world.live.close();
  });
});

test('a query is read for a fifth of the time at most, and for no longer than it may', async () => {
  const world = new World();
  world.takesMs = 100;
  world.live.subscribe(queryOf('x', 'pg2'), new Listener());
  for (let at = 2; at < 1002; at += 1) {
    world.applied = new Map([['pg2', `0/${at}`]]);
    await world.clock.pass(1);
  }
  expect(world.runs).toEqual([0, 500, 1000]);
  await world.live.close();
  const listener = new Listener();
  const hanging = new World({ runMs: 5 });
  hanging.takesMs = 1000;
  hanging.live.subscribe(queryOf('x'), listener);
  await poll('the end of the time', () => listener.taken.length > 0);
  expect(listener.taken).toEqual(['NearjoinError: the subscription took longer than 5 ms to read']);
  await hanging.live.close();
});

test('one reading that waited for the network is not rested for', async () => {
  const world = new World();
  world.takesMs = 10;
  const subscription = world.live.subscribe(queryOf('x'), new Listener());
  await world.clock.pass(20);
  world.takesMs = 4000;
  subscription.catchUp();
  await world.clock.pass(1000);
  world.takesMs = 10;
  const before = world.runs.length;
  await world.clock.pass(6000);
  expect(world.runs.length).toBeGreaterThan(before);
  await world.live.close();
});

test('a database that is not there leaves nobody behind for longer than that; one that fails after long work is spared', async () => {
  const cause = new ConnectionLost('silent');
  for (const [reason, last] of [
    [cause, ['b']],
    [new Error('out of memory'), []],
  ] as const) {
    const world = new World();
    const listener = new Listener();
    world.takesMs = 1000;
    world.live.subscribe(queryOf('x', 'pg2'), listener);
    await world.clock.pass(9000);
    const failure = new NearjoinError('source-unavailable', 'down', { cause: reason });
    Object.assign(world, { failure, takesMs: 5000 });
    await world.clock.pass(20_000);
    Object.assign(world, { failure: null, takesMs: 1, answer: 'b' });
    // The next look at the feed, which it wakes, or the end of the reading that waits.
    await world.clock.pass(5000);
    expect(listener.taken).toEqual(['a', 'NearjoinError: down', ...last]);
    await world.live.close();
  }
});

test('a source that answers again is news', async () => {
  const world = new World();
  const listener = new Listener();
  world.live.subscribe(queryOf('x', 'pg2'), listener);
  world.failure = new NearjoinError('source-unavailable', 'down');
  await world.clock.pass(15_000);
  world.failure = null;
  await world.clock.pass(1100);
  expect(listener.taken).toEqual(['a', 'NearjoinError: down', 'a']);
  await world.live.close();
});

test('a source that hangs does not hold up another', async () => {
  const world = new World();
  const [stuck, other] = [new Listener(), new Listener()];
  world.takesMs = 10_000;
  world.live.subscribe(queryOf('x'), stuck);
  await world.clock.pass(1);
  world.takesMs = 0;
  world.live.subscribe(queryOf('y', null, false, 'pg9'), other);
  await world.clock.pass(100);
  expect([stuck.taken, other.taken]).toEqual([[], ['a']]);
  await world.live.close();
});

test('of positions that were shown the later ones count', () => {
  const at = (position: bigint) => new Map([['pg2', { position: position as Lsn, history: null }]]);
  expect([bothOf(at(9n), at(5n)), bothOf(at(5n), at(9n))]).toEqual([at(9n), at(9n)]);
});

test('who joins while a query is read is told what is read from then on, and does not wait long for it', async () => {
  const world = new World();
  const [first, second] = [new Listener(), new Listener()];
  const query = queryOf('x');
  world.takesMs = 200;
  world.live.subscribe(query, first);
  await world.clock.pass(100);
  world.answer = 'b';
  world.live.subscribe(query, second);
  await world.clock.pass(300);
  expect([first.taken, second.taken]).toEqual([['a'], []]);
  await world.clock.pass(60);
  expect([first.taken, second.taken]).toEqual([['a', 'b'], ['b']]);
  await world.live.close();
});

test('who was shown live rows is shown none from an older copy elsewhere either', async () => {
  const world = new World();
  const listener = new Listener();
  const wanted: (bigint | undefined)[] = [];
  const from = (route: 'cache' | 'live', position: bigint): void => {
    world.targets = ({ tokens }) => {
      wanted.push(tokens.get('pg2')?.position);
      return [{ ...REPORT, route, position: position as Lsn }];
    };
  };
  from('live', 5n);
  const query = queryOf('y');
  const subscription = world.live.subscribe(queryOf('x'), listener);
  world.live.subscribe(query, new Listener());
  await world.clock.pass(1);
  from('cache', 7n);
  const progress = subscription.leave();
  expect(progress.shown).toEqual(new Map([['pg2', { position: 5n, history: null }]]));
  await world.clock.pass(1500);
  world.live.subscribe(query, listener, progress);
  await world.clock.pass(60);
  expect(wanted).toEqual([undefined, undefined, 5n, 5n]);
  await world.live.close();
});

test('after rows that came live none from an older copy are read, unless there are no others', async () => {
  const world = new World();
  const listener = new Listener();
  const wanted: (bigint | undefined)[] = [];
  const from = (route: 'cache' | 'live', position: bigint, isLost = false) => {
    world.targets = ({ tokens }) => {
      const token = tokens.get('pg2')?.position;
      wanted.push(token);
      if (isLost && token !== undefined) throw new NearjoinError('position-unknown', 'lost');
      return [{ ...REPORT, route, position: position as Lsn }];
    };
  };
  from('live', 5n);
  world.live.subscribe(queryOf('x'), listener);
  await world.clock.pass(1);
  from('cache', 7n);
  await world.clock.pass(2000);
  expect(wanted).toEqual([undefined, 5n, undefined]);
  from('live', 9n);
  await world.clock.pass(1000);
  from('live', 2n, true);
  await world.clock.pass(1000);
  expect(wanted.slice(3)).toEqual([undefined, 9n, undefined]);
  expect(listener.taken).toEqual(['a']);
  await world.live.close();
});

test('after rows that came live none from an older copy are read, an outage or not', async () => {
  const world = new World();
  const wanted: (bigint | undefined)[] = [];
  world.targets = ({ tokens }) => {
    wanted.push(tokens.get('pg2')?.position);
    return [{ ...REPORT, route: 'live', position: 5n as Lsn }];
  };
  world.live.subscribe(queryOf('x'), new Listener());
  await world.clock.pass(1);
  world.failure = new NearjoinError('source-unavailable', 'down');
  await world.clock.pass(5000);
  world.failure = null;
  await world.clock.pass(10_000);
  expect(wanted.slice(0, 2)).toEqual([undefined, 5n]);
  await world.live.close();
});

const REPORT = {
  source: 'pg1',
  target: 'pg2',
  reason: 'hit',
  detail: 'fresh',
  stalenessMs: 0,
  history: null,
} as const;

describe('streams', () => {
  const one = queryOf('', null, true);
  const stream = (from: string) => ({ ...one, values: [from] });

  test('a stream is read batch by batch at the pace that is allowed, then at the interval; no empty batch is sent', async () => {
    const world = new World();
    const listener = new Listener();
    world.batches = { 0: ['1 2', '2'], 2: ['3 4', '4'] };
    world.live.subscribe(stream('0'), listener);
    await world.clock.pass(3000);
    expect(listener.taken).toEqual(['1 2', '3 4']);
    expect(world.runs).toEqual([0, 50, 100, 1100, 2100]);
    world.batches = { 4: ['5', '5'] };
    await world.clock.pass(1000);
    expect(listener.taken).toEqual(['1 2', '3 4', '5']);
    expect(world.live.counts).toMatchObject({
      subscribers: 1,
      cohorts: 1,
      runs: { changed: 3, failed: 0 },
    });
    await world.live.close();
  });

  test('one batch that waited for the network is not rested for', async () => {
    const world = new World();
    const listener = new Listener();
    world.batches = { 0: ['1', '1'], 1: ['2', '2'], 2: ['3', '3'] };
    world.takesMs = 10;
    world.live.subscribe(stream('0'), listener);
    await world.clock.pass(20);
    world.takesMs = 4000;
    await world.clock.pass(100);
    world.takesMs = 10;
    await world.clock.pass(4000);
    expect(listener.taken).toEqual(['1', '2', '3']);
    await world.live.close();
  });

  test('each has its own cursor, and those who are at the same place are read once', async () => {
    const world = new World();
    const [early, late] = [new Listener(), new Listener()];
    world.batches = { 0: ['1 2', '2'] };
    world.live.subscribe(stream('0'), early);
    world.live.subscribe(stream('2'), late);
    await world.clock.pass(10);
    expect(world.live.counts).toMatchObject({ subscribers: 2, cohorts: 1 });
    world.batches = { 2: ['3', '3'] };
    await world.clock.pass(1000);
    expect([early.taken, late.taken]).toEqual([['1 2', '3'], ['3']]);
    const again = new Listener();
    world.batches = { 0: ['1 2', '2'], 2: ['3', '3'] };
    world.live.subscribe(stream('0'), again);
    await world.clock.pass(100);
    expect(again.taken).toEqual(['1 2', '3']);
    expect(world.live.counts).toMatchObject({ subscribers: 3, cohorts: 1 });
    await world.live.close();
  });

  test('who is behind keeps its place while others go on, and misses nothing', async () => {
    const world = new World();
    const [quick, slow] = [new Listener(), new Listener()];
    slow.isBehind = true;
    world.batches = { 0: ['1', '1'], 1: ['2', '2'] };
    world.live.subscribe(stream('0'), quick);
    const subscription = world.live.subscribe(stream('0'), slow);
    await world.clock.pass(500);
    expect([quick.taken, slow.taken, world.live.counts.cohorts]).toEqual([['1', '2'], [], 2]);
    slow.isBehind = false;
    subscription.catchUp();
    await world.clock.pass(500);
    expect([quick.taken, slow.taken, world.live.counts.cohorts]).toEqual([['1', '2'], ['1', '2'], 1]);
    await world.live.close();
  });

  test('who comes again goes on where it was', async () => {
    const world = new World();
    const listener = new Listener();
    world.batches = { 0: ['1', '1'] };
    const subscription = world.live.subscribe(stream('0'), listener);
    await world.clock.pass(10);
    const progress = subscription.leave();
    expect(progress).toEqual({ digest: null, cursor: '1', shown: new Map() });
    world.batches = { 0: ['1', '1'], 1: ['2', '2'] };
    world.live.subscribe(stream('0'), listener, progress);
    await world.clock.pass(200);
    expect(listener.taken).toEqual(['1', '2']);
    await world.live.close();
  });

  test('what a feed brings is read at once wherever the stream has come to', async () => {
    const world = new World();
    const listener = new Listener();
    world.batches = { 0: ['1', '1'] };
    world.live.subscribe(queryOf('0', 'pg2', true), listener);
    await world.clock.pass(400);
    world.batches = { 1: ['2', '2'] };
    world.applied = new Map([['pg2', '0/2']]);
    await world.clock.pass(110);
    expect(listener.taken).toEqual(['1', '2']);
    await world.live.close();
  });

  test('a failure is told once each time, and the stream goes on', async () => {
    const world = new World();
    const listener = new Listener();
    world.batches = {};
    world.live.subscribe(stream('0'), listener);
    for (const failure of [new NearjoinError('source-unavailable', 'down'), null]) {
      world.failure = failure;
      await world.clock.pass(10_000);
    }
    world.failure = new NearjoinError('source-unavailable', 'down');
    await world.clock.pass(5000);
    world.failure = null;
    world.batches = { 0: ['1', '1'] };
    await world.clock.pass(10_000);
    expect(listener.taken).toEqual(['NearjoinError: down', 'NearjoinError: down', '1']);
    await world.live.close();
  });
});
