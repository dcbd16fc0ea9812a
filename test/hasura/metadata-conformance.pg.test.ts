import { afterEach, describe, expect, test } from 'vitest';
import { casesOf, groups, HAS_CASES } from './cases.ts';
import { expectAnswer } from './match.ts';
import { openGroup, type World } from './world.ts';

let world: World | undefined;

afterEach(async () => {
  await world?.close();
  world = undefined;
});

test.skipIf(HAS_CASES)(
  'the shared conformance cases are not beside this project: nothing to compare with',
  () => {
    expect(groups()).toEqual([]);
  },
);

describe.each(groups().filter((group) => /^(remote_)?metadata_/.test(group)))('%s', (group) => {
  // Answers to GraphQL queries are compared where the whole server runs.
  test.each(casesOf(group))('the metadata calls of $name are answered as by Hasura', async ({ steps }) => {
    world = await openGroup(group);
    for (const step of steps) {
      if (step.sql !== undefined) await world.sql(step.sql);
      if (step.path !== '/v1/metadata') continue;
      const { status, body } = await world.metadata(step.request, step.headers);
      expectAnswer(step, status, JSON.parse(JSON.stringify(body)));
    }
  });
});
