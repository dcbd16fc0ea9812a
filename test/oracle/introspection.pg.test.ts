import type { GraphQLSchema } from 'graphql';
import { expect, test } from 'vitest';
import { buildSchema } from '../support/build-schema.ts';
import { budgetOf } from './budget.ts';
import { generateWorld } from './generate-world.ts';
import { LaneStage } from './lane-stage.ts';
import type { Random } from './random.ts';
import { probesOf } from './schema-probes.ts';
import { everySeed } from './seeds.ts';
import { rootFieldsFor, withRootFields } from './visibility.ts';
import { INHERITED, ROLES, type World } from './world.ts';

// What a role's schema lists can be asked for, what it does not list is refused, and it lists what the role's permissions say.

const BUDGET = budgetOf(2);
/** So many are asked however slow the machine is. */
const LEAST = 50;

/** What Postgres says of types whose values it cannot compare or order, listed as in Hasura, and of a text that is no `lquery`. */
const SAID_BY_POSTGRES =
  /operator does not exist|could not identify an? (ordering|equality) operator|lquery syntax error/;

test('a role is answered what its schema lists, and refused all else', {
  timeout: BUDGET.timeoutMs,
}, async () => {
  let asked = 0;
  const rounds = {
    budget: BUDGET,
    isEnough: () => asked >= LEAST,
    open: (random: Random) => LaneStage.open(withRootFields(random, generateWorld(random))),
  };
  await everySeed(rounds, async ({ random, stage, goesOn }) => {
    const whole = buildSchema(stage.catalog, 'admin');
    for (const role of ['admin', ...ROLES, INHERITED]) {
      const own = role === 'admin' ? whole : buildSchema(stage.catalog, role);
      compareRoots(stage.world, role, own);
      const probes = probesOf(own, whole);
      for (const { member, text, isListed } of random.some(probes, probes.length)) {
        if (!goesOn()) break;
        asked += 1;
        const told = await stage.say(text, role);
        const isAnswered = !told.startsWith('error:') || SAID_BY_POSTGRES.test(told);
        const isRefused = told.includes('validation-failed');
        if (isListed ? isAnswered : isRefused) continue;
        const is = isListed ? 'listed' : 'not listed';
        throw new Error(`${member} is ${is} for ${role}\n${text}\n${told}`);
      }
    }
  });
});

function compareRoots(world: World, role: string, schema: GraphQLSchema): void {
  // An administrator sees tables of enums besides.
  if (world.naming.namespaced || role === 'admin') return;
  const roots = { query: schema.getQueryType(), subscription: schema.getSubscriptionType() };
  for (const of of ['query', 'subscription'] as const) {
    const listed = Object.keys(roots[of]?.getFields() ?? {}).filter(
      (name) => name !== 'no_queries_available',
    );
    expect(listed.toSorted(), `${of} of ${role}`).toEqual(rootFieldsFor(world, role, of).toSorted());
  }
}
