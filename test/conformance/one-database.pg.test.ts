import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Case, type CaseStep, casesOf, groups, HAS_CASES, type Setup, setupOf } from '../hasura/cases.ts';
import { expectAnswer } from '../hasura/match.ts';
import type { HttpAnswer } from '../support/http-answer.ts';
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

function stageOf(env: Setup['env']): Stage {
  if (stages === undefined) throw new Error('no stages');
  return stages.for(env);
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

/** Goes through a case's steps, and has each answer looked at. */
async function play(group: string, one: Case, look: (step: CaseStep, answer: HttpAnswer) => void): Promise<void> {
  const setup = setupOf(group);
  const stage = stageOf({ ...setup.env, ...one.env });
  await setUp(stage, group, setup);
  if (one.steps.some((step) => step.path !== '/v1/graphql')) onStage.delete(stage);
  for (const step of one.steps) {
    if (step.sql !== undefined) await stage.sql('default', step.sql);
    if (step.path === undefined) continue;
    look(step, await stage.ask(step));
  }
}

describe.each(groups())('%s', (group) => {
  const deviates = ({ name }: Case): boolean => DEVIATIONS.has(`${group}/${name}`);

  test.each(casesOf(group).filter((one) => !deviates(one)))('$name', async (one) => {
    await play(group, one, (step, { status, body }) => expectAnswer(step, status, body));
  });

  test.each(casesOf(group).filter(deviates))('$name is answered otherwise, and not with an error', async (one) => {
    await play(group, one, (_step, { status, body }) => {
      expect(status).toBe(200);
      expect(body).not.toHaveProperty('errors');
    });
  });

  test('its metadata is exported, and what is exported can be applied again', async () => {
    const setup = setupOf(group);
    const stage = stageOf(setup.env);
    await setUp(stage, group, setup);
    const exported = (await stage.nearjoin.metadata('export_metadata', {})).body;
    expect(await stage.nearjoin.metadata('replace_metadata', exported)).toMatchObject({
      status: 200,
      body: { is_consistent: true, inconsistent_objects: [] },
    });
    expect((await stage.nearjoin.metadata('export_metadata', {})).body).toEqual(exported);
  });
});
