import { afterAll, expect, test } from 'vitest';
import { askedTogether } from './batch.ts';
import { budgetOf } from './budget.ts';
import { generateTwins, type Query } from './generate-query.ts';
import { generateWorld } from './generate-world.ts';
import { generateWrite } from './generate-write.ts';
import { disagreement } from './lane-stage.ts';
import { ProcessStage } from './process-stage.ts';
import { Random } from './random.ts';
import { report } from './report.ts';
import { Servers } from './servers.ts';
import { shrink } from './shrink.ts';
import { crosses } from './world.ts';

// Generated schemas, roles and queries through the whole server while rows change: cached, live and plain SQL over one
// database must agree, and in the end every cache must equal its target.

const BUDGET = budgetOf(7);
const ROUNDS = 15;

const servers = new Servers();
afterAll(() => servers.stop());

test('cached, live and plain SQL in one database agree while rows change', {
  timeout: BUDGET.timeMs + BUDGET.shrinkMs + 240_000,
}, async () => {
  const end = performance.now() + BUDGET.timeMs;
  let hits = 0;
  for (let seed = BUDGET.firstSeed; hits === 0 || performance.now() < end; seed += 1) {
    const random = new Random(seed);
    const world = generateWorld(random);
    if (!crosses(world)) continue;
    const stage = await ProcessStage.open(await servers.serverFor(world), world).catch((error: unknown) => {
      throw new Error(`NEARJOIN_SEED=${seed}: ${String(error)}`, { cause: error });
    });
    try {
      await runWorld({ seed, random, stage, end });
      hits += stage.hits;
    } finally {
      await stage.close();
    }
  }
  expect(hits).toBeGreaterThan(0);
});

interface Run {
  readonly seed: number;
  readonly random: Random;
  readonly stage: ProcessStage;
  readonly end: number;
}

async function runWorld({ seed, random, stage, end }: Run): Promise<void> {
  for (let i = 0; i < ROUNDS && (i < 3 || performance.now() < end); i += 1) {
    for (let writes = random.int(0, 3); writes > 0; writes -= 1)
      await stage.write(generateWrite(random, stage.world));
    const twins = generateTwins(random, stage.world);
    for (const query of twins) {
      const why = disagreement(stage.world, query, await stage.ask(query));
      if (why !== null) throw new Error(await smallestCase(seed, stage, query, why));
    }
    if (random.chance(0.3)) await askTogether({ seed, random, stage }, twins);
  }
  await stage.converged().catch((error: unknown) => {
    const why = error instanceof Error ? String(error.cause) : '';
    throw new Error(
      `NEARJOIN_SEED=${seed}: ${why}\n${stage.written.flatMap(({ statements }) => statements).join(';\n')}`,
      { cause: error },
    );
  });
}

async function askTogether(
  { seed, random, stage }: Omit<Run, 'end'>,
  twins: readonly Query[],
): Promise<void> {
  const [query] = twins;
  if (query === undefined) return;
  const others = generateTwins(random, stage.world, { role: query.role });
  const why = await askedTogether(random, stage, [...twins, ...others]);
  if (why === null) return;
  throw new Error(report({ seed, why: 'alone and in a batch', world: stage.world, query, answers: { why } }));
}

async function smallestCase(seed: number, stage: ProcessStage, query: Query, why: string): Promise<string> {
  const { world, written } = stage;
  const asked = await shrink(
    query,
    async (less) => disagreement(world, less, await stage.ask(less)) === why,
    BUDGET.shrinkMs,
  );
  const writes = written
    .map(({ database, statements }) => `-- written to ${database}\n${statements.join(';\n')}`)
    .join('\n');
  return `${report({ seed, why, world, query: asked, answers: await stage.ask(asked) })}\n${writes}`;
}
