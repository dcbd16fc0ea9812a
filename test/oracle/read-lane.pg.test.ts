import { expect, test } from 'vitest';
import { budgetOf } from './budget.ts';
import { generateQuery, type Query } from './generate-query.ts';
import { generateWorld } from './generate-world.ts';
import { disagreement, LaneStage } from './lane-stage.ts';
import { Random } from './random.ts';
import { report } from './report.ts';
import { shrink } from './shrink.ts';
import type { World } from './world.ts';

// Generated schemas, rows, roles and queries on the read lane alone, without HTTP and replication: cached, live, live
// through temporary tables, one database, and plain SQL over it must agree.

const BUDGET = budgetOf(7);
const QUERIES = 60;
/** So many are asked however slow the machine is. */
const LEAST = 10;

test('every route gives the answer of one database', {
  timeout: BUDGET.timeMs + BUDGET.shrinkMs + 240_000,
}, async () => {
  const end = performance.now() + BUDGET.timeMs;
  let asked = 0;
  const goesOn = (): boolean => asked < LEAST || performance.now() < end;
  for (let seed = BUDGET.firstSeed; goesOn(); seed += 1) {
    const random = new Random(seed);
    const world = generateWorld(random);
    const stage = await LaneStage.open(world).catch((error: unknown) => {
      throw new Error(`NEARJOIN_SEED=${seed}: ${String(error)}`, { cause: error });
    });
    try {
      for (let i = 0; i < QUERIES && goesOn(); i += 1) {
        const query = generateQuery(random, world);
        if (query === null) continue;
        asked += 1;
        const why = disagreement(world, query, await stage.ask(query));
        if (why !== null) throw new Error(await smallestCase(seed, stage, query, why));
      }
    } finally {
      await stage.close();
    }
  }
  expect(asked).toBeGreaterThanOrEqual(LEAST);
});

async function smallestCase(seed: number, stage: LaneStage, query: Query, why: string): Promise<string> {
  const asked = await shrink(
    query,
    async (less) => disagreement(stage.world, less, await stage.ask(less)) === why,
    BUDGET.shrinkMs / 3,
  );
  const fails = async (world: World): Promise<boolean> => {
    const other = await LaneStage.open(world);
    try {
      return disagreement(world, asked, await other.ask(asked)) === why;
    } finally {
      await other.close();
    }
  };
  const world = await shrink(stage.world, fails, (BUDGET.shrinkMs * 2) / 3);
  const last = await LaneStage.open(world);
  try {
    return report({ seed, why, world, query: asked, answers: await last.ask(asked) });
  } finally {
    await last.close();
  }
}
