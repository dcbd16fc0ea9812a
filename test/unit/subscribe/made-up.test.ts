import fc from 'fast-check';
import { expect, test } from 'vitest';
import { must } from '../../../src/core/assert.ts';
import { NearjoinError } from '../../../src/core/errors.ts';
import { keptIn } from '../../../src/core/kept-in.ts';
import type { Lsn } from '../../../src/core/position/lsn.ts';
import { formatToken, type Token } from '../../../src/core/position/token.ts';
import type { CompiledPlan } from '../../../src/read/compiled-plan.ts';
import type { FreshnessRequest } from '../../../src/read/freshness.ts';
import type { ReadAnswer, ReadRequest } from '../../../src/read/read-request.ts';
import { type LiveLane, LiveQueries, type Subscription } from '../../../src/subscribe/live-queries.ts';
import type { LiveAnswer, LiveQuery } from '../../../src/subscribe/live-query.ts';
import { HandClock } from '../../support/hand-clock.ts';

// Made-up days of subscribers, writes, copying and outages, against the rules that hold for each subscriber whoever else there is.

const AT_ONCE = 2;
const BATCH = 3;

/** One number that grows, of which a copy is as far as it was copied; the numbers up to it are the rows of a stream. */
class Database implements LiveLane {
  written = 0;
  copied = 0;
  hasCopy = true;
  isDown = false;
  takesMs = 0;
  looks = 0;
  runs = 0;
  /** Most rounds of readings that went on at once. */
  most = 0;
  readonly open = new Map<ReadRequest, string>();
  readonly #plans = new Map<CompiledPlan, number>();
  readonly #clock: HandClock;

  constructor(clock: HandClock) {
    this.#clock = clock;
  }

  async run(request: ReadRequest): Promise<ReadAnswer> {
    this.runs += 1;
    this.open.set(request, this.#roundOf(request));
    this.most = Math.max(this.most, new Set(this.open.values()).size);
    const answer = request.compiled.plan.cursor === null ? this.#state(request) : this.#batch(request);
    const { isDown } = this;
    await this.#clock.delay(this.takesMs, request.signal);
    this.open.delete(request);
    request.signal.throwIfAborted();
    if (isDown) throw new NearjoinError('source-unavailable', 'down');
    return answer;
  }

  /** Readings of one plan that begin in the same moment are one round. */
  #roundOf({ compiled }: ReadRequest): string {
    const number = keptIn(this.#plans, compiled, () => this.#plans.size);
    return `${number} ${this.#clock.monotonicMs()}`;
  }

  appliedCommits(): ReturnType<LiveLane['appliedCommits']> {
    this.looks += 1;
    if (this.isDown) return Promise.reject(new Error('down'));
    return Promise.resolve(new Map([['pg2', `0/${this.copied}`]]));
  }

  #state({ values, freshness }: ReadRequest): ReadAnswer {
    const wanted = freshness.tokens.get('pg2')?.position ?? 0n;
    const isLive = freshness.noCache || !this.hasCopy || wanted > this.copied;
    const state = isLive ? this.written : this.copied;
    const position = BigInt(state) as Lsn;
    const report = { source: 'pg1', target: 'pg2', reason: 'hit', detail: 'fresh', stalenessMs: 0 } as const;
    const targets = [{ ...report, route: isLive ? 'live' : 'cache', position, history: null } as const];
    return { body: Buffer.from(JSON.stringify([asked(values[0], freshness), state])), targets, cursor: null };
  }

  #batch({ values, freshness }: ReadRequest): ReadAnswer {
    const from = Number(values[0]);
    const rows = Array.from({ length: BATCH }, (_, i) => from + 1 + i).filter((row) => row <= this.written);
    const body = Buffer.from(JSON.stringify([asked(values[1], freshness), ...rows]));
    return { body, targets: [], cursor: rows.at(-1)?.toString() ?? null };
  }
}

/** What an answer must be the answer to. */
function asked(value: unknown, { tokens, ...wishes }: FreshnessRequest): string {
  const own = [...tokens].filter(([target]) => target !== 'pg2');
  return JSON.stringify([value, wishes, own.map(([target, token]) => [target, formatToken(token)])]);
}

const OPEN: FreshnessRequest = { noCache: false, maxStalenessMs: null, fallback: null, tokens: new Map() };
const far = (target: string, position: bigint, history: string | null): FreshnessRequest['tokens'] =>
  new Map<string, Token>([[target, { position: position as Lsn, history }]]);
const WISHES: readonly FreshnessRequest[] = [
  OPEN,
  { ...OPEN, noCache: true },
  { ...OPEN, maxStalenessMs: 5 },
  { ...OPEN, fallback: 'stale' },
  { ...OPEN, tokens: far('pg3', 7n, null) },
  { ...OPEN, tokens: far('pg3', 8n, null) },
  { ...OPEN, tokens: far('pg4', 7n, null) },
  { ...OPEN, tokens: far('pg3', 7n, '1.1') },
];

/** Plans as one generation of the catalog makes them: equal operations have one. */
class Plans {
  readonly #made = new Map<boolean, CompiledPlan>();

  of(isStream: boolean): CompiledPlan {
    const cursor = isStream ? { kind: 'param', index: 0 } : null;
    const plan = {
      plan: { cursor },
      groups: [{ source: 'pg1', remotes: [{ source: 'pg1', target: 'pg2' }] }],
    };
    const known = this.#made.get(isStream) ?? (plan as unknown as CompiledPlan);
    this.#made.set(isStream, known);
    return known;
  }
}

/** One who subscribes, and holds every answer against the rules. */
class Follower {
  readonly asking: Pick<LiveQuery, 'values' | 'freshness'>;
  readonly isStream: boolean;
  /** The state that was shown last, or the row. */
  at: number;
  readonly wrongs: unknown[] = [];
  #last = '';
  #reads = true;
  #subscription: Subscription | null = null;

  constructor(value: string, freshness: FreshnessRequest, from: number | null) {
    this.asking = { values: from === null ? [value] : [String(from), value], freshness };
    this.isStream = from !== null;
    this.at = from ?? -1;
  }

  get isHere(): boolean {
    return this.#subscription !== null;
  }

  take(answer: LiveAnswer): boolean {
    if (!this.#reads) return false;
    if (!this.isHere) this.wrongs.push('told after it left');
    try {
      this.#check(answer.kind === 'data' ? answer.body.toString() : '');
    } catch (wrong) {
      this.wrongs.push(wrong);
    }
    return true;
  }

  /** After a failure the same again is news. */
  #check(text: string): void {
    const isNews = this.#last !== '';
    this.#last = text;
    if (text === '') return;
    const [own, ...numbers] = JSON.parse(text) as [string, ...number[]];
    const before = this.at;
    this.at = numbers.at(-1) ?? Number.NaN;
    expect(own).toBe(asked(this.asking.values.at(-1), this.asking.freshness));
    if (this.isStream) expect(numbers).toEqual(numbers.map((_, i) => before + 1 + i));
    else expect(this.at).toBeGreaterThanOrEqual(before + (isNews ? 1 : 0));
  }

  read(reads: boolean): void {
    this.#reads = reads;
    if (reads) this.#subscription?.catchUp();
  }

  enter(live: LiveQueries, plans: Plans): void {
    const progress = this.#subscription?.leave();
    const query = { ...this.asking, compiled: plans.of(this.isStream), introspection: [] };
    this.#subscription = live.subscribe(query, this, progress);
  }

  leave(): void {
    this.#subscription?.leave();
    this.#subscription = null;
  }

  get cohort(): string {
    const { values, freshness } = this.asking;
    return asked(this.isStream ? `${values[1]} behind ${this.at}` : values[0], freshness);
  }
}

class Day {
  readonly clock = new HandClock();
  readonly database = new Database(this.clock);
  readonly live = new LiveQueries(
    this.database,
    { refetchMs: 3_600_000, atOnce: AT_ONCE, runMs: 60_000 },
    this.clock,
  );
  readonly followers: Follower[] = [];
  /** Whether everybody leaves before the process ends. */
  readonly leaveFirst: boolean;
  plans = new Plans();

  constructor(leaveFirst: boolean) {
    this.leaveFirst = leaveFirst;
  }

  happen(step: Step): void {
    const { database, followers } = this;
    switch (step.does) {
      case 'subscribe': {
        const from = step.from === null ? null : Math.min(step.from, database.written);
        const follower = new Follower(step.value, must(WISHES[step.wish], 'wish'), from);
        followers.push(follower);
        return follower.enter(this.live, this.plans);
      }
      case 'plan anew':
        this.plans = new Plans();
        for (const follower of followers) if (follower.isHere) follower.enter(this.live, this.plans);
        return;
      case 'leave':
        return followers[step.who % followers.length]?.leave();
      case 'fall behind':
      case 'catch up':
        return followers[step.who % followers.length]?.read(step.does === 'catch up');
      case 'write':
        database.written += step.by;
        return;
      case 'copy':
        database.copied = Math.min(database.copied + step.by, database.written);
        return;
      case 'slow down':
        database.takesMs = [0, 1, 30, 120][step.by % 4] ?? 0;
        return;
      case 'go down':
      case 'come up':
        database.isDown = step.does === 'go down';
        return;
      default:
        database.hasCopy = step.does === 'have a copy';
    }
  }

  /** Everything that there is to be told is told, and then nothing is read. */
  async end(): Promise<void> {
    const { database, live, clock } = this;
    Object.assign(database, { isDown: false, takesMs: 1 });
    for (const follower of this.followers) follower.read(true);
    await clock.pass(2000);
    database.written += 1;
    database.copied = database.written;
    await clock.pass(5000);
    const { runs } = database;
    await clock.pass(1000);
    expect(database.runs).toBe(runs);
    expect(this.followers.flatMap(({ wrongs }) => wrongs)).toEqual([]);
    const here = this.followers.filter(({ isHere }) => isHere);
    expect(here.map(({ at }) => at)).toEqual(here.map(() => database.written));
    expect(live.counts.subscribers).toBe(here.length);
    expect(live.counts.cohorts).toBe(new Set(here.map(({ cohort }) => cohort)).size);
    expect(database.most).toBeLessThanOrEqual(AT_ONCE);
  }

  /** Nobody is there any more, and nothing is done for nobody. */
  async close(): Promise<void> {
    const { database, live, clock } = this;
    database.takesMs = 1000;
    database.copied = database.written += 1;
    await clock.pass(60);
    if (this.leaveFirst) for (const follower of this.followers) follower.leave();
    expect(this.leaveFirst && [...database.open.keys()].some(({ signal }) => !signal.aborted)).toBe(false);
    if (!this.leaveFirst) await live.close();
    expect(this.leaveFirst ? 0 : database.open.size).toBe(0);
    await clock.pass(1);
    const { looks, runs } = database;
    await clock.pass(2000);
    expect([database.looks, database.runs, live.counts.cohorts]).toEqual([looks, runs, 0]);
    await live.close();
  }
}

type Step =
  | {
      readonly does: 'subscribe';
      readonly value: string;
      readonly wish: number;
      readonly from: number | null;
    }
  | { readonly does: 'leave' | 'fall behind' | 'catch up'; readonly who: number }
  | { readonly does: 'write' | 'copy' | 'slow down'; readonly by: number }
  | { readonly does: 'go down' | 'come up' | 'lose the copy' | 'have a copy' | 'plan anew' };

/** Most ask for the same, and so share what is read. */
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    does: fc.constant('subscribe' as const),
    value: fc.constantFrom('x', 'x', 'x', 'y'),
    wish: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(WISHES.length - 1)),
    from: fc.option(fc.nat(4)),
  }),
  fc.record({ does: fc.constantFrom('leave', 'fall behind', 'catch up'), who: fc.nat(9) }),
  fc.record({ does: fc.constantFrom('write', 'copy', 'slow down'), by: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ does: fc.constantFrom('go down', 'come up', 'plan anew') }),
  fc.record({ does: fc.constantFrom('lose the copy', 'have a copy') }),
);

/** A source that comes up while a reading of it fails: the next one is of nothing older. */
const COMES_UP: readonly (readonly [Step, number])[] = [
  [{ does: 'subscribe', value: 'x', wish: 0, from: null }, 0],
  [{ does: 'write', by: 1 }, 0],
  [{ does: 'lose the copy' }, 0],
  [{ does: 'subscribe', value: 'x', wish: 0, from: null }, 200],
  [{ does: 'leave', who: 0 }, 0],
  [{ does: 'write', by: 1 }, 0],
  [{ does: 'go down' }, 0],
  [{ does: 'write', by: 1 }, 0],
  [{ does: 'lose the copy' }, 0],
  [{ does: 'write', by: 1 }, 0],
  [{ does: 'write', by: 1 }, 0],
  [{ does: 'have a copy' }, 0],
  [{ does: 'leave', who: 0 }, 0],
  [{ does: 'plan anew' }, 0],
];

test('on every made-up day each subscriber is told every state or row that it is due, once and in order, and never of an older one', async () => {
  const days = fc.array(fc.tuple(step, fc.constantFrom(0, 1, 5, 60, 200)), { minLength: 10, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(days, fc.boolean(), async (steps, leaveFirst) => {
      const day = new Day(leaveFirst);
      for (const [happening, thenMs] of steps) {
        day.happen(happening);
        await day.clock.pass(thenMs);
      }
      await day.end();
      await day.close();
    }),
    { examples: [[COMES_UP.map(([does, thenMs]) => [does, thenMs]), false]] },
  );
});
