import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Case, casesOf, groups, HAS_CASES, type Setup, setupOf } from '../hasura/cases.ts';
import { expectAnswer } from '../hasura/match.ts';
import { type Stage, Stages } from './stage.ts';
import { DEVIATIONS } from './deviations.ts';

// Every shared case with its tables where the case has them: one database, or the databases it names.

let stages: Stages | undefined;

beforeAll(async () => {
  if (HAS_CASES) stages = await Stages.open();
});

afterAll(() => stages?.close());

test.skipIf(HAS_CASES)('the shared conformance cases are not beside this project: nothing to compare with', () => {
  expect(groups()).toEqual([]);
});

function stageOf(setup: Setup, one: Case): Stage {
  if (stages === undefined) throw new Error('no stages');
  return stages.for({ ...setup.env, ...one.env });
}

/** The group that is set up on a stage, while nothing has changed it. */
const onStage = new Map<Stage, string>();

async function setUp(stage: Stage, group: string, setup: Setup): Promise<void> {
  if (onStage.get(stage) === group) return;
  onStage.delete(stage);
  const { sql, databases } = setup;
  await stage.set(databases ?? { default: sql ?? [] }, databases === undefined ? ['default'] : [], setup.metadata);
  onStage.set(stage, group);
}

describe.each(groups())('%s', (group) => {
  const setup = setupOf(group);
  test.each(casesOf(group).filter((one) => !DEVIATIONS.has(`${group}/${one.name}`)))('$name', async (one) => {
    const stage = stageOf(setup, one);
    await setUp(stage, group, setup);
    if (one.steps.some((step) => step.path !== '/v1/graphql')) onStage.delete(stage);
    for (const step of one.steps) {
      if (step.sql !== undefined) await stage.sql('default', step.sql);
      if (step.path === undefined) continue;
      const answer = await stage.ask(step);
      expectAnswer(step, answer.status, answer.body);
    }
  });
});
