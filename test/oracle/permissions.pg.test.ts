import { printSchema } from 'graphql';
import { expect, test } from 'vitest';
import { buildSchema } from '../support/build-schema.ts';
import { budgetOf } from './budget.ts';
import { generateTwins, type Query } from './generate-query.ts';
import { generateWorld } from './generate-world.ts';
import { hiddenChanges, hiddenFrom } from './hidden.ts';
import { LaneStage } from './lane-stage.ts';
import { Random } from './random.ts';
import { report } from './report.ts';
import { everySeed } from './seeds.ts';
import { invisibleSql } from './sql-of.ts';
import { INHERITED, ROLES, viewOf, type World } from './world.ts';

// Non-interference: a role's answers, errors, routes and explanations stay the same, byte for byte, when only what is hidden
// from the role changes. `hidden.ts` says what that is.

const BUDGET = budgetOf(5);
/** So many are compared however slow the machine is. */
const LEAST = 10;

test('nothing a role is told depends on what is hidden from it', {
  timeout: BUDGET.timeoutMs,
}, async () => {
  let compared = 0;
  const isEnough = (): boolean => compared >= LEAST;
  const open = (random: Random): Promise<LaneStage> =>
    LaneStage.open({ ...generateWorld(random), brittle: true });
  await everySeed({ budget: BUDGET, isEnough, open }, async ({ random, stage }) => {
    const { world } = stage;
    const role = random.pick([...ROLES, INHERITED]);
    const queries = Array.from({ length: 15 }, () =>
      generateTwins(random, world, { role, hostile: true }),
    ).flat();
    const before = await tellAll(stage, queries);
    const changed = await changeHidden(random, stage, role);
    const after = await tellAll(stage, queries);
    for (const [i, query] of queries.entries()) {
      compared += 1;
      if (JSON.stringify(before[i]) === JSON.stringify(after[i])) continue;
      const why = 'what a role is told before and after a hidden change';
      const answers = {
        changed: changed.join('; '),
        before: JSON.stringify(before[i]),
        after: JSON.stringify(after[i]),
      };
      throw new Error(report({ why, world, query, answers }));
    }
  });
});

async function tellAll(stage: LaneStage, queries: readonly Query[]): Promise<readonly object[]> {
  const told: object[] = [];
  for (const query of queries) told.push(await stage.tell(query));
  return told;
}

/** Each change is tried where everything is together: one that the role could see is left out. */
async function changeHidden(random: Random, stage: LaneStage, role: string): Promise<readonly string[]> {
  const { world } = stage;
  const changes = hiddenChanges(random, hiddenFrom(world, role), (table) => invisibleSql(world, table, role));
  const done: string[] = [];
  for (const { table, sql, isRow } of changes) {
    if (await stage.change(table, sql, isRow ? role : null)) done.push(sql);
  }
  await stage.refill();
  return done;
}

test("a role's schema names nothing that is hidden from the role", async () => {
  const random = new Random(BUDGET.firstSeed);
  for (let i = 0; i < 3; i += 1) {
    const world = generateWorld(random);
    const stage = await LaneStage.open(world);
    try {
      for (const role of [...ROLES, INHERITED]) {
        const other = await stage.reopen(renamed(world, role));
        expect(printSchema(buildSchema(other.catalog, role)), `NEARJOIN_SEED=${BUDGET.firstSeed}`).toBe(
          printSchema(buildSchema(stage.catalog, role)),
        );
        await other.close();
      }
    } finally {
      await stage.close();
    }
  }
});

/** The world with other GraphQL names for all that the role may not see. */
function renamed(world: World, role: string): World {
  const tables = world.tables.map((table) => {
    const view = viewOf(table, role);
    const columns = table.columns.map((column) =>
      view?.columns.includes(column) ? column : { ...column, field: `hidden_${column.field}` },
    );
    return { ...table, field: view === null ? `hidden_${table.field}` : table.field, columns };
  });
  const fields = new Map(world.tables.map((table, i) => [table.field, tables[i]?.field ?? '']));
  const relinked = tables.map((table) => ({
    ...table,
    relationships: table.relationships.map((one) => ({ ...one, to: fields.get(one.to) ?? '' })),
    permissions: table.permissions.map((one) => ({ ...one, filter: { kind: 'true' as const } })),
  }));
  return { ...world, tables: relinked };
}
