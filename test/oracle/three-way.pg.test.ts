import { afterAll, test } from 'vitest';
import { askedTogether } from './batch.ts';
import { budgetOf } from './budget.ts';
import { generateTwins, type Query } from './generate-query.ts';
import { generateWrite } from './generate-write.ts';
import { disagreement } from './lane-stage.ts';
import type { ProcessStage } from './process-stage.ts';
import type { Random } from './random.ts';
import { report } from './report.ts';
import { everySeed, type Round } from './seeds.ts';
import { Servers } from './servers.ts';
import { shrink } from './shrink.ts';

// Generated schemas, roles and queries through the whole server while rows change: cached, live and plain SQL over one
// database must agree, and in the end every cache must equal its target.

const BUDGET = budgetOf(7);
const ROUNDS = 15;

const servers = new Servers();
afterAll(() => servers.stop());

test('cached, live and plain SQL in one database agree while rows change', {
  timeout: BUDGET.timeoutMs,
}, async () => {
  let hits = 0;
  const isEnough = (): boolean => hits > 0;
  await everySeed({ budget: BUDGET, isEnough, open: (random) => servers.stageOf(random) }, async (round) => {
    await runWorld(round);
    hits += round.stage.hits;
  });
});

async function runWorld({ random, stage, hasTime }: Round<ProcessStage>): Promise<void> {
  for (let i = 0; i < ROUNDS && (i < 3 || hasTime()); i += 1) {
    for (let writes = random.int(0, 3); writes > 0; writes -= 1)
      await stage.write(generateWrite(random, stage.world));
    const twins = generateTwins(random, stage.world);
    for (const query of twins) {
      const why = disagreement(stage.world, query, await stage.ask(query));
      if (why !== null) throw new Error(await smallestCase(stage, query, why));
    }
    if (random.chance(0.3)) await askTogether(random, stage, twins);
  }
  await stage.converged().catch((error: unknown) => {
    const why = error instanceof Error ? String(error.cause) : '';
    const written = stage.written.flatMap(({ statements }) => statements).join(';\n');
    throw new Error(`${why}\n${written}`, { cause: error });
  });
}

async function askTogether(random: Random, stage: ProcessStage, twins: readonly Query[]): Promise<void> {
  const [query] = twins;
  if (query === undefined) return;
  const others = generateTwins(random, stage.world, { role: query.role });
  const why = await askedTogether(random, stage, [...twins, ...others]);
  if (why === null) return;
  throw new Error(report({ why: 'alone and in a batch', world: stage.world, query, answers: { why } }));
}

async function smallestCase(stage: ProcessStage, query: Query, why: string): Promise<string> {
  const { world, written } = stage;
  const asked = await shrink(
    query,
    async (less) => disagreement(world, less, await stage.ask(less)) === why,
    BUDGET.shrinkMs,
  );
  const writes = written
    .map(({ database, statements }) => `-- written to ${database}\n${statements.join(';\n')}`)
    .join('\n');
  return `${report({ why, world, query: asked, answers: await stage.ask(asked) })}\n${writes}`;
}
