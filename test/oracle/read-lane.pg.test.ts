import { test } from 'vitest';
import { budgetOf } from './budget.ts';
import { generateTwins, type Query } from './generate-query.ts';
import { generateWorld } from './generate-world.ts';
import { toRequest } from './graphql-of.ts';
import { disagreement, LaneStage } from './lane-stage.ts';
import type { Random } from './random.ts';
import { report } from './report.ts';
import { everySeed } from './seeds.ts';
import { shrink } from './shrink.ts';
import type { World } from './world.ts';

// Generated schemas, rows, roles and queries on the read lane alone, without HTTP and replication: cached, live, live
// through temporary tables, one database, and plain SQL over it must agree.

const BUDGET = budgetOf(5);
const QUERIES = 40;
/** So many are asked however slow the machine is. */
const LEAST = 10;

test('every route gives the answer of one database', {
  timeout: BUDGET.timeoutMs,
}, async () => {
  let asked = 0;
  const rounds = {
    budget: BUDGET,
    isEnough: () => asked >= LEAST,
    open: (random: Random) => LaneStage.open(generateWorld(random)),
  };
  await everySeed(rounds, async ({ random, stage, goesOn }) => {
    for (let i = 0; i < QUERIES && goesOn(); i += 1) {
      const twins = generateTwins(random, stage.world, { hostile: random.chance(0.15) });
      for (const query of twins) {
        asked += 1;
        const why = disagreement(stage.world, query, await stage.ask(query));
        if (why !== null) throw new Error(await smallestCase(stage, query, why));
      }
      if (random.chance(0.3)) await askAtOnce(stage, twins);
    }
  });
});

async function askAtOnce(stage: LaneStage, twins: readonly Query[]): Promise<void> {
  const [query] = twins;
  const why = await stage.crowded(twins);
  if (why === null || query === undefined) return;
  const { world } = stage;
  const { variables } = toRequest(world, twins[1] ?? query);
  const answers = { 'other variables': JSON.stringify(variables), why };
  throw new Error(report({ why: 'alone and at once', world, query, answers }));
}

async function smallestCase(stage: LaneStage, query: Query, why: string): Promise<string> {
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
    return report({ why, world, query: asked, answers: await last.ask(asked) });
  } finally {
    await last.close();
  }
}
