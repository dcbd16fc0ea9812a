import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { casesOf, type CaseStep, groups, HAS_CASES, type Setup, setupOf } from '../hasura/cases.ts';
import { expectAnswer } from '../hasura/match.ts';
import { eventually } from '../support/nearjoin.ts';
import { dealOut } from './deal.ts';
import { type Stage, Stages } from './stage.ts';

// The same data answers when a group's tables live in two databases, from the cache and live.

const LEFT_OUT = /^(enums|custom_table_name|api_custom_field_names|naming_.*|introspection_.*|metadata_.*|remote_.*)$/;
const CACHED = { 'x-nearjoin-max-staleness': '600000', 'x-nearjoin-fallback': 'error' };
const LIVE = { 'cache-control': 'no-cache' };

let stages: Stages | undefined;

beforeAll(async () => {
  if (HAS_CASES) stages = await Stages.open();
});

afterAll(() => stages?.close());

test.skipIf(HAS_CASES)('the shared conformance cases are not beside this project: nothing to deal out', () => {
  expect(groups()).toEqual([]);
});

function stageOf(setup: Setup): Stage {
  if (stages === undefined) throw new Error('no stages');
  return stages.for(setup.env);
}

function hasData({ path, response }: CaseStep): boolean {
  return path === '/v1/graphql' && [response].flat().every((one) => (one as { data?: unknown } | null)?.data !== undefined);
}

const dealtGroups = groups().filter((group) => !LEFT_OUT.test(group) && setupOf(group).sql !== undefined);

describe.each(dealtGroups)('%s', (group) => {
  const setup = setupOf(group);
  const cases = casesOf(group).filter(({ steps }) => steps.every((step) => hasData(step) && step.sql === undefined));

  beforeAll(async () => {
    const stage = stageOf(setup);
    const sql = setup.sql ?? [];
    await stage.set({ default: sql, other: sql }, ['default', 'other'], (database) => dealOut(setup.metadata, database));
    await stage.settled();
  });

  for (const [route, headers] of [['from the cache', CACHED], ['live', LIVE]] as const) {
    test.each(cases)(`$name ${route}`, async ({ steps }) => {
      const stage = stageOf(setup);
      for (const step of steps) {
        // The node may not have read yet that the copies are ready.
        const answer = await eventually(async () => {
          const found = await stage.ask(step, headers);
          return found.text.includes('"not-fresh"') ? undefined : found;
        });
        expectAnswer(step, answer.status, answer.body);
      }
    });
  }
});
