import { describe, expect, test } from 'vitest';
import type { Clock } from '../../../src/core/clock.ts';
import { NearjoinError } from '../../../src/core/errors.ts';
import type { QueryPlan } from '../../../src/plan/plan.ts';
import { compilePlan } from '../../../src/read/compiled-plan.ts';
import type { ReadAnswer, ReadRequest } from '../../../src/read/read-lane.ts';
import { LiveQueries } from '../../../src/subscribe/live-queries.ts';
import type { LiveAnswer, LiveQuery } from '../../../src/subscribe/live-query.ts';

/** A clock that a test moves. */
class HandClock implements Clock {
  #now = 0;
  readonly #waiting = new Set<{ readonly at: number; readonly wake: () => void }>();

  monotonicMs(): number {
    return this.#now;
  }

  delay: Clock['delay'] = (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const entry = { at: this.#now + ms, wake: () => undefined as void };
      const done = (): void => {
        this.#waiting.delete(entry);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      entry.wake = done;
      this.#waiting.add(entry);
      signal?.addEventListener('abort', done);
    });

  /** Lets time pass, millisecond by millisecond, and everything that it wakes. */
  async pass(ms: number): Promise<void> {
    await settled();
    for (let step = 0; step < ms; step += 1) {
      this.#now += 1;
      const due = [...this.#waiting].filter(({ at }) => at <= this.#now);
      for (const { wake } of due) wake();
      if (due.length > 0) await settled();
    }
  }
}

async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

class World {
  readonly clock = new HandClock();
  readonly runs: number[] = [];
  answer = 'a';
  failure: Error | null = null;
  applied = new Map([['pg2', '0/1']]);
  readonly live: LiveQueries;

  constructor() {
    const lane = {
      run: (_request: ReadRequest): Promise<ReadAnswer> => {
        this.runs.push(this.clock.monotonicMs());
        if (this.failure !== null) return Promise.reject(this.failure);
        return Promise.resolve({ body: Buffer.from(this.answer), targets: [] });
      },
      appliedCommits: () => Promise.resolve(new Map(this.applied)),
    };
    this.live = new LiveQueries(lane, { refetchMs: 1000, atOnce: 1, runMs: 60_000 }, this.clock);
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

function queryOf(value: string, target: string | null = null): LiveQuery {
  const plan: QueryPlan = {
    roots: [],
    params: [],
    sessionVariables: [],
    remotes: [],
  };
  const compiled = compilePlan(plan, false);
  const group = { source: 'pg1', remotes: target === null ? [] : [{ source: 'pg1', target }] };
  return {
    plan: { ...compiled, groups: [group] } as unknown as LiveQuery['plan'],
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
    await world.clock.pass(1);
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
    world.failure = null;
    await world.clock.pass(10_000);
    expect(listener.taken).toEqual(['NearjoinError: down', 'a']);
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
    expect(seen).toBe(null);
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
