import { afterAll, test } from 'vitest';
import { poll } from '../support/poll.ts';
import { budgetOf } from './budget.ts';
import { Crowd } from './crowd.ts';
import { generateQuery, type Query } from './generate-query.ts';
import { generateWrite } from './generate-write.ts';
import { disagreement } from './lane-stage.ts';
import { leadsTo } from './leads-to.ts';
import type { Listener } from './listener.ts';
import type { ProcessStage } from './process-stage.ts';
import type { Random } from './random.ts';
import { report } from './report.ts';
import { type Detour, generateDetour, type SchemaChange } from './schema-detours.ts';
import { everySeed } from './seeds.ts';
import { Servers } from './servers.ts';
import { databasesOf } from './world.ts';

// Schemas that change under a running server, while clients ask: each answer is that of some moment or names what is wrong, and
// in the end everything is as it was.

const BUDGET = budgetOf(3);
const DETOURS = 8;
const CLIENTS = 3;

// Subscribers stay, and are to be told of everything, also when all metadata is read again.
const servers = new Servers({ NEARJOIN_CLOSE_WEBSOCKETS_ON_METADATA_CHANGE: 'false' });
afterAll(() => servers.stop());

test('answers are right while schemas change, and everything heals', {
  timeout: BUDGET.timeoutMs,
}, async () => {
  let detours = 0;
  const rounds = {
    budget: BUDGET,
    isEnough: () => detours > 0,
    open: (random: Random) => servers.stageOf(random),
  };
  await everySeed(rounds, async ({ random, stage, goesOn }) => {
    for (let i = 0; i < DETOURS && goesOn(); i += 1) {
      await stage.write(generateWrite(random, stage.world));
      const detour = generateDetour(random, stage.world);
      if (detour === null) continue;
      await new Trip(random, stage, detour).go();
      detours += 1;
    }
  });
});

/** One detour, and what clients see of it. */
class Trip {
  readonly #random: Random;
  readonly #stage: ProcessStage;
  readonly #detour: Detour;
  readonly #queries: readonly Query[];
  readonly #followers: { readonly query: Query; readonly listener: Listener }[] = [];

  constructor(random: Random, stage: ProcessStage, detour: Detour) {
    this.#random = random;
    this.#stage = stage;
    this.#detour = detour;
    const asked = Array.from({ length: 12 }, () => generateQuery(random, stage.world) ?? []).flat();
    const leading = asked.filter((query) => leadsTo(stage.world, query, detour.table));
    this.#queries = [...leading, ...asked.filter((query) => !leading.includes(query))].slice(0, CLIENTS);
  }

  async go(): Promise<void> {
    const { there, back, what } = this.#detour;
    try {
      await this.#agree('before', true);
      await this.#follow();
      await this.#travel(there);
      await this.#stage.settled(/./);
      await this.#agree('on the way', there.truth !== null);
      if (await this.#write()) await this.#agree('after a write on the way', there.truth !== null);
      await this.#travel(back);
      await this.#stage.settled();
      await poll('metadata that holds', async () => (await this.#stage.inconsistencies()) === '[]');
      await this.#agree('afterwards', true);
      await this.#stage.converged();
      await this.#toldToFollowers();
    } catch (error) {
      throw new Error(`${what}: ${String(error)}`, { cause: error });
    } finally {
      for (const { listener } of this.#followers) listener.close();
    }
  }

  /** Writes while the schema is another, where that may be; whether it did. */
  async #write(): Promise<boolean> {
    const { table, takesWrites } = this.#detour;
    const { world } = this.#stage;
    const others = databasesOf(world).filter((name) => takesWrites || name !== table.database);
    const [database] = this.#random.some(others, 0, 1);
    if (database === undefined) return false;
    await this.#stage.write(generateWrite(this.#random, world, database));
    return true;
  }

  /** Clients subscribe where nothing may end that. */
  async #follow(): Promise<void> {
    if (!this.#detour.isSeamless) return;
    for (const asked of this.#queries) {
      const query = { ...asked, roots: asked.roots.slice(0, 1) };
      const how = { protocol: 'graphql-transport-ws', headers: {} } as const;
      this.#followers.push({ query, listener: await this.#stage.listen(query, how) });
    }
  }

  /** They were told no error, and last of the state of now. */
  async #toldToFollowers(): Promise<void> {
    for (const { query, listener } of this.#followers) {
      const sql = await this.#stage.sql(query);
      const pushed = (): string =>
        listener.pushed.find((text) => text.startsWith('error')) ?? listener.pushed.at(-1) ?? '';
      const isTold = (): boolean =>
        pushed() !== '' && disagreement(this.#stage.world, query, { cached: pushed(), sql }) === null;
      await poll('the last answer', isTold).catch(() =>
        this.#fail(query, 'pushed', { pushed: pushed(), sql }),
      );
    }
  }

  /** All see the state of now, if need be after they were told to ask again. */
  async #agree(when: string, isKnown: boolean): Promise<void> {
    for (const query of this.#queries) {
      await poll('an answer that is no refusal of a moment', async () => {
        const { cached = '', live = '', sql = '' } = await this.#stage.ask(query);
        const answers = { cached, live, sql: isKnown ? sql : cached };
        const why = disagreement(this.#stage.world, query, answers);
        const isRefused = !this.#detour.isSeamless && [cached, live].some((answer) => NAMED.test(answer));
        if (why !== null && !isRefused) this.#fail(query, `${when}: ${why}`, answers);
        return why === null;
      });
    }
  }

  /** Clients ask while a schema changes, and are told of what was before it, or of what is now. */
  async #travel(change: SchemaChange): Promise<void> {
    const stage = this.#stage;
    const states = async (): Promise<readonly string[]> =>
      Promise.all(this.#queries.map((query) => stage.sql(query)));
    const before = await states();
    const crowd = new Crowd(stage, this.#queries);
    await stage.change(this.#detour.table.database, change);
    if (this.#random.chance(0.8)) await stage.reload();
    const told = await crowd.leave();
    const after = await states();
    for (const [i, query] of this.#queries.entries()) {
      for (const answer of told.get(query) ?? [])
        this.#check(query, answer, [before[i] ?? '', after[i] ?? '']);
    }
  }

  #check(query: Query, answer: string, states: readonly string[]): void {
    const { isSeamless, there, back } = this.#detour;
    const isUnknown = there.truth === null || back.truth === null;
    const isState = states.some(
      (sql) => disagreement(this.#stage.world, query, { cached: answer, sql }) === null,
    );
    if (isState) return;
    if (!isSeamless && NAMED.test(answer)) return;
    if (isUnknown && !answer.startsWith('error')) return;
    this.#fail(query, 'told meanwhile', { told: answer, states: states.join('\n  ') });
  }

  #fail(query: Query, why: string, answers: Readonly<Record<string, string>>): never {
    const { world, written } = this.#stage;
    const writes = written.map(({ database, statements }) => `-- ${database}\n${statements.join(';\n')}`);
    throw new Error([report({ why, world, query, answers }), ...writes].join('\n'));
  }
}

/** What a client is told of a schema that is another. */
const NAMED = /"code":"(schema-changed|validation-failed)"/;
