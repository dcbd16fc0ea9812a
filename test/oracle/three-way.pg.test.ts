import { afterAll, expect, test } from 'vitest';
import { type Nearjoin, startNearjoin } from '../support/nearjoin.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { budgetOf } from './budget.ts';
import { generateTwins, type Query } from './generate-query.ts';
import { generateWorld } from './generate-world.ts';
import { generateWrite } from './generate-write.ts';
import { disagreement } from './lane-stage.ts';
import { ProcessStage } from './process-stage.ts';
import { Random } from './random.ts';
import { report } from './report.ts';
import { shrink } from './shrink.ts';
import type { World } from './world.ts';

// Generated schemas, roles and queries through the whole server while rows change: cached, live and plain SQL over one
// database must agree, and in the end every cache must equal its target.

const BUDGET = budgetOf(8);
const ROUNDS = 15;

/** How numbers are written is a setting of the whole server, so there is one for each way that is asked for. */
const servers = new Map<boolean, Server>();

interface Server {
  readonly meta: TestDatabase;
  readonly nearjoin: Nearjoin;
}

afterAll(async () => {
  for (const { meta, nearjoin } of servers.values()) {
    await nearjoin.stop();
    await meta.drop();
  }
});

async function serverFor({ stringify }: World): Promise<Nearjoin> {
  const running = servers.get(stringify);
  if (running !== undefined) return running.nearjoin;
  const meta = await createDatabase('source', []);
  const nearjoin = await startNearjoin({
    NEARJOIN_METADATA_DATABASE_URL: meta.url,
    NEARJOIN_WAIT_TIMEOUT_MS: '30000',
    NEARJOIN_STRINGIFY_NUMERIC_TYPES: String(stringify),
  });
  servers.set(stringify, { meta, nearjoin });
  return nearjoin;
}

test('cached, live and plain SQL in one database agree while rows change', {
  timeout: BUDGET.timeMs + BUDGET.shrinkMs + 240_000,
}, async () => {
  const end = performance.now() + BUDGET.timeMs;
  let hits = 0;
  for (let seed = BUDGET.firstSeed; hits === 0 || performance.now() < end; seed += 1) {
    const random = new Random(seed);
    const world = generateWorld(random);
    if (!crosses(world)) continue;
    const stage = await ProcessStage.open(await serverFor(world), world).catch((error: unknown) => {
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
    for (const query of generateTwins(random, stage.world)) {
      const why = disagreement(stage.world, query, await stage.ask(query));
      if (why !== null) throw new Error(await smallestCase(seed, stage, query, why));
    }
  }
  await stage.converged().catch((error: unknown) => {
    const why = error instanceof Error ? String(error.cause) : '';
    throw new Error(
      `NEARJOIN_SEED=${seed}: ${why}\n${stage.written.flatMap(({ statements }) => statements).join(';\n')}`,
      { cause: error },
    );
  });
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

/** Whether something of another database is cached; views never are. */
function crosses({ tables }: World): boolean {
  return tables.some((table) =>
    table.relationships.some(({ to }) =>
      tables.some((other) => other.field === to && other.database !== table.database && !other.isView),
    ),
  );
}
