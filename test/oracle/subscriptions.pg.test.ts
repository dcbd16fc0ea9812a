import { afterAll, test } from 'vitest';
import { poll } from '../support/poll.ts';
import { budgetOf } from './budget.ts';
import { generateQuery, generateStream, type Query } from './generate-query.ts';
import { generateWrite } from './generate-write.ts';
import { toRequest } from './graphql-of.ts';
import { disagreement } from './lane-stage.ts';
import type { Listener } from './listener.ts';
import type { ProcessStage } from './process-stage.ts';
import type { Random } from './random.ts';
import { report } from './report.ts';
import { everySeed } from './seeds.ts';
import { Servers } from './servers.ts';
import { StreamFollower } from './stream-follower.ts';
import { databasesOf } from './world.ts';

// Generated subscriptions through the whole server while rows change: whatever is pushed must be the answer of one database in
// some state, states come in order, no answer twice in a row, and the last answer is that of the last state. Streams give the
// rows behind their cursor, once.

const BUDGET = budgetOf(4);
const BURSTS = 6;
const LISTENERS = 6;
const STREAMS = 3;

const servers = new Servers({
  NEARJOIN_LIVE_QUERIES_MULTIPLEXED_REFETCH_INTERVAL: '100',
  NEARJOIN_CLOSE_WEBSOCKETS_ON_METADATA_CHANGE: 'false',
});
afterAll(() => servers.stop());

test('subscribers are told of every state in its order, and of the last one', {
  timeout: BUDGET.timeoutMs,
}, async () => {
  let told = 0;
  const rounds = {
    budget: BUDGET,
    isEnough: () => told > 0,
    open: (random: Random) => servers.stageOf(random),
  };
  await everySeed(rounds, async ({ random, stage, hasTime }) => {
    const run = new Run(random, stage);
    try {
      told += await run.go(hasTime);
    } finally {
      run.close();
    }
  });
});

/** A live query that a client follows. */
interface Follower {
  readonly query: Query;
  readonly listener: Listener;
  readonly headers: Readonly<Record<string, string>>;
  /** It has the session that plain SQL knows. */
  readonly isKnown: boolean;
  /** So many of its answers were looked at. */
  seen: number;
}

/** Everything that is done in one world. */
class Run {
  readonly #random: Random;
  readonly #stage: ProcessStage;
  readonly #followers: Follower[] = [];
  #streams: readonly StreamFollower[] = [];

  constructor(random: Random, stage: ProcessStage) {
    this.#random = random;
    this.#stage = stage;
  }

  /** Gives how many answers were looked at. */
  async go(hasTime: () => boolean): Promise<number> {
    for (let i = 0; i < LISTENERS; i += 1) await this.#follow();
    for (let i = 0; i < BURSTS && (i < 1 || hasTime()); i += 1) {
      await this.#burst();
      await this.#stream();
    }
    return this.#followers.reduce((sum, { seen }) => sum + seen, 0);
  }

  close(): void {
    for (const { listener } of [...this.#followers, ...this.#streams]) listener.close();
  }

  /** Somebody else subscribes, now and then to what another already does. */
  async #follow(): Promise<void> {
    const random = this.#random;
    const { world } = this.#stage;
    const asked = generateQuery(random, world);
    if (asked === null) return;
    const shared = this.#followers.length > 0 && random.chance(0.4) ? random.pick(this.#followers) : null;
    const query = shared?.query ?? { ...asked, roots: asked.roots.slice(0, 1) };
    const isKnown = random.chance(0.7);
    const headers = { ...(isKnown ? {} : world.otherSession), ...wish(random) };
    const listener = await this.#stage.listen(query, { protocol: protocol(random), headers });
    this.#followers.push({ query, listener, headers, isKnown, seen: 0 });
  }

  /** Somebody subscribes to what another does and is gone again. */
  async #lookIn(): Promise<void> {
    if (this.#followers.length === 0) return;
    const { query, headers } = this.#random.pick(this.#followers);
    const listener = await this.#stage.listen(query, { protocol: protocol(this.#random), headers });
    listener.close();
  }

  /** Writes to one database while its feeds are stopped, begun anew and given up. */
  async #burst(): Promise<void> {
    const [random, stage] = [this.#random, this.#stage];
    const database = random.pick(databasesOf(stage.world));
    await this.#settled();
    const known = this.#followers.filter(({ isKnown }) => isKnown);
    const states = new Map(known.map((one): [Follower, string[]] => [one, []]));
    const note = async (): Promise<void> => {
      for (const [{ query }, all] of states) all.push(await stage.sql(query));
    };
    await note();
    for (let writes = random.int(1, 5); writes > 0; writes -= 1) {
      if (random.chance(0.3))
        await stage.control(database, random.pick(['pause', 'resume', 'resync', 'resume'] as const));
      if (random.chance(0.1)) await stage.reload();
      if (random.chance(0.2)) await this.#lookIn();
      await stage.write(generateWrite(random, stage.world, database));
      await note();
    }
    await stage.control(database, 'resume');
    const begun = known.map(({ seen }) => seen);
    await this.#settled();
    for (const [i, follower] of known.entries())
      this.#check(follower, states.get(follower) ?? [], begun[i] ?? 0);
    if (random.chance(0.3)) this.#followers.splice(0, 1)[0]?.listener.close();
    await this.#follow();
  }

  /** Until everybody has the answer of now; caches too. */
  async #settled(): Promise<void> {
    await this.#stage.converged();
    for (const follower of this.#followers) {
      const { query, listener, isKnown, headers } = follower;
      const session = isKnown ? undefined : this.#stage.world.otherSession;
      const [live, sql] = [await this.#stage.live(query, session), await this.#stage.sql(query)];
      const last = (): string => listener.pushed.at(-1) ?? '';
      const why = (): string | null =>
        last() === ''
          ? 'nothing'
          : disagreement(this.#stage.world, query, { cached: last(), live, sql: isKnown ? sql : last() });
      await poll('the last answer', () => why() === null).catch(() =>
        this.#fail(query, String(why()), { headers: JSON.stringify(headers), last: last(), live, sql }),
      );
      follower.seen = listener.pushed.length;
    }
  }

  /** What was pushed since the last look, against the states since then. */
  #check({ query, listener, headers }: Follower, states: readonly string[], seen: number): void {
    const fresh = listener.pushed.slice(seen - 1);
    let at = 0;
    for (const [i, answer] of fresh.entries()) {
      const told = {
        headers: JSON.stringify(headers),
        pushed: fresh.join('\n  '),
        states: states.join('\n  '),
      };
      if (answer === fresh[i - 1]) this.#fail(query, 'the same answer twice', told);
      const found = states.findIndex(
        (state, index) =>
          index >= at && disagreement(this.#stage.world, query, { cached: answer, sql: state }) === null,
      );
      if (found === -1) this.#fail(query, `pushed answer ${i} and any state from ${at}`, told);
      at = found;
    }
  }

  /** Streams from their beginning to their end, then what a transaction brings. */
  async #stream(): Promise<void> {
    const [random, stage] = [this.#random, this.#stage];
    const followers: StreamFollower[] = [];
    for (let i = 0; i < STREAMS; i += 1) {
      const query = generateStream(random, stage.world);
      if (query === null || (await stage.sql(query)).startsWith('error:')) continue;
      const listener = await stage.listen(query, { protocol: protocol(random), headers: {} });
      followers.push(new StreamFollower(stage.world, query, listener));
    }
    this.#streams = followers;
    for (let writes = 2; writes >= 0; writes -= 1) {
      for (const follower of followers) {
        const sql = await stage.sql(follower.query);
        const why = await follower.follow(sql);
        if (why === null) continue;
        this.#fail(follower.query, why, { sql, pushed: follower.listener.pushed.join('\n  ') });
      }
      if (writes > 0) await stage.write(generateWrite(random, stage.world));
      await stage.converged();
    }
    for (const { listener } of followers) listener.close();
  }

  #fail(query: Query, why: string, answers: Readonly<Record<string, string>>): never {
    const { world, written } = this.#stage;
    const writes = written.map(({ database, statements }) => `-- ${database}\n${statements.join(';\n')}`);
    const text = toRequest(world, query, { operation: 'subscription' }).query;
    throw new Error([report({ why, world, query, answers }), text, ...writes].join('\n'));
  }
}

function protocol(random: Random): 'graphql-transport-ws' | 'graphql-ws' {
  return random.pick(['graphql-transport-ws', 'graphql-ws']);
}

/** What a client asks of freshness. */
function wish(random: Random): Readonly<Record<string, string>> {
  const bound = { 'x-nearjoin-max-staleness': String(random.pick([0, 20, 100, 300, 60_000])) };
  return random.pick([{}, { 'cache-control': 'no-cache' }, bound, bound, { 'x-nearjoin-fallback': 'stale' }]);
}
