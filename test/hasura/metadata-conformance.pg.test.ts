import { afterEach, describe, expect, test } from 'vitest';
import { casesOf, groups, HAS_CASES, setupOf } from './cases.ts';
import { expectAnswer } from './match.ts';
import { openWorld, type World } from './world.ts';

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
    world = await openWorld(setupOf(group));
    await registerAll(world, group);
    for (const step of steps) {
      if (step.sql !== undefined) await world.sql(step.sql);
      if (step.path !== '/v1/metadata') continue;
      const { status, body } = await world.metadata(step.request, step.headers);
      expectAnswer(step, status, JSON.parse(JSON.stringify(body)));
    }
  });
});

test.each(groups().filter((group) => !/^(remote_)?metadata_/.test(group)))(
  'the metadata of group %s is accepted, and exported it can be applied again',
  async (group) => {
    world = await openWorld(setupOf(group));
    await registerAll(world, group);
    const { body: exported } = await world.metadata({ type: 'export_metadata', args: {} });
    expect(await world.metadata({ type: 'replace_metadata', args: exported })).toEqual({
      status: 200,
      body: { is_consistent: true, inconsistent_objects: [] },
    });
    expect((await world.metadata({ type: 'export_metadata', args: {} })).body).toEqual(exported);
  },
);

/** All calls of the set-up in one request, as one change. */
async function registerAll(on: World, group: string): Promise<void> {
  const { metadata } = setupOf(group);
  const { status, body } = await on.metadata({ type: 'bulk', args: metadata });
  expect({ status, body }).toEqual({ status: 200, body: metadata.map(() => ({ message: 'success' })) });
}
