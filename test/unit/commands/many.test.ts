import { expect, test } from 'vitest';
import { parseCommand } from '../../../src/commands/command.ts';
import { execute } from '../../../src/commands/run/execute.ts';
import { suggestRelationships } from '../../../src/commands/run/source-facts.ts';
import type { State, Tools } from '../../../src/commands/run/state.ts';
import { parseMetadata } from '../../../src/metadata/document/parse.ts';
import type { Metadata } from '../../../src/metadata/model.ts';
import { resolve } from '../../support/resolve.ts';
import { database, source, table } from '../catalog/found.ts';

/** So many that whoever looks at each again for each of them is not done in the time of a test. */
const MANY = 1_500;
const names = Array.from({ length: MANY }, (_, index) => `t${index}`);

const introspections = new Map([
  [
    'default',
    database(
      names.map((name, index) =>
        table(name, ['id int4 pk', index === 0 ? 'up int4' : `up int4 -> t${index - 1}.id`]),
      ),
    ),
  ],
]);

/** Each table but the first leads to the one before it. */
const above = { object_relationships: [{ name: 'above', using: { foreign_key_constraint_on: 'up' } }] };
const tables = names.map((name, index) => ({ table: name, ...(index === 0 ? {} : above) }));
const chainOf = (some: typeof tables): Metadata =>
  parseMetadata({ version: 3, sources: [source('default', some)] });
const chain = chainOf(tables);

const catalogOf = (metadata: Metadata): State['catalog'] =>
  resolve(metadata, introspections, { resourceVersion: 1, generation: 1 });
const tools = {
  watch: {
    tryResolve: async (metadata: Metadata) => catalogOf(metadata),
    introspection: () => introspections.get('default'),
    refresh: async () => undefined,
  },
} as unknown as Tools;
const stateOf = (metadata: Metadata): State => {
  return { metadata, catalog: catalogOf(metadata), resourceVersion: 1, touched: false };
};
const untrack = async (which: readonly string[], cascade = false) =>
  execute(
    parseCommand({
      type: 'pg_untrack_tables',
      args: { tables: which.map((name) => ({ source: 'default', table: name, cascade })) },
    }),
    stateOf(chain),
    tools,
  );
const left = ({ metadata }: State): readonly string[] =>
  metadata.sources.flatMap(({ tables }) => tables.map((entry) => entry.table.name));

test('many tables are untracked together, however they lead to each other', async () => {
  const { state, answer } = await untrack(names);
  expect({ left: left(state), answer }).toEqual({ left: [], answer: { message: 'success' } });
});

test('where one table has to stay, so do all that lead on from it', async () => {
  const refused = await untrack(names.slice(0, -1)).catch((error: unknown) => error);
  expect(refused).toMatchObject({
    message: 'all tables failed to untrack',
    internal: names.slice(0, -1).map((name, index) => ({
      name: `table ${name} in source default`,
      message: `cannot drop due to the following dependent objects: relationship t${index + 1}.above in source "default"`,
    })),
  });
});

test('what leads to tables that go with all their dependents goes too, and holds nothing', async () => {
  const { state, answer } = await untrack(names.slice(0, -1), true);
  expect({ left: left(state), answer }).toEqual({ left: [names.at(-1)], answer: { message: 'success' } });
});

test('each table is looked up once where relationships are suggested for many', async () => {
  let looks = 0;
  const asked = names.map((name) => ({
    schema: 'public',
    get name() {
      looks += 1;
      return name;
    },
  }));
  const args = { source: 'default', tables: asked, omit_tracked: false };
  const { relationships } = await suggestRelationships(stateOf(chain), args, tools);
  expect({ suggested: relationships.length, looks }).toEqual({ suggested: 2 * (MANY - 1), looks: MANY });
});

test('everything else has its turn between the commands of a bulk', async () => {
  let turns = 0;
  const next = (): NodeJS.Immediate =>
    setImmediate(() => {
      turns += 1;
      running = next();
    });
  let running = next();
  const args = Array.from({ length: 50 }, () => ({ type: 'export_metadata', args: {} }));
  await execute(parseCommand({ type: 'bulk', args }), stateOf(chain), tools);
  clearImmediate(running);
  expect(turns).toBeGreaterThanOrEqual(49);
});

const comment = (table: string, name = 'above') => ({
  type: 'pg_set_relationship_comment',
  args: { table, name, comment: 'the one before it' },
});

test.each(['bulk', 'bulk_keep_going'])('commands of one %s are checked together, once', async (type) => {
  let checks = 0;
  const counted = {
    watch: {
      tryResolve: async (metadata: Metadata) => {
        checks += 1;
        return catalogOf(metadata);
      },
    },
  } as unknown as Tools;
  const args = names.slice(1).map((name) => comment(name));
  const { state, answer } = await execute(parseCommand({ type, args }), stateOf(chain), counted);
  const commented = state.metadata.sources.flatMap(({ tables }) =>
    tables
      .flatMap((entry) => entry.object_relationships ?? [])
      .filter((entry) => entry.comment !== undefined),
  );
  expect({ checks, commented: commented.length, answer }).toEqual({
    checks: 1,
    commented: args.length,
    answer: args.map(() => ({ message: 'success' })),
  });
});

test.each([
  ['is not there', comment('t1', 'below'), '"below" does not exist'],
  [
    'others need',
    { type: 'pg_untrack_table', args: { table: 't1' } },
    'cannot drop due to the following dependent objects: relationship t2.above in source "default"',
  ],
  [
    'does not hold',
    {
      type: 'pg_create_select_permission',
      args: { table: 't1', role: 'user', permission: { columns: ['other'], filter: {} } },
    },
    'Inconsistent object: in table "t1": in permission for role "user": "other" does not exist',
  ],
])('of many commands the one about what %s is named, and nothing of it kept', async (_, wrong, error) => {
  const few = chainOf(tables.slice(0, 3));
  const args = [comment('t1'), wrong, comment('t2')];
  const stopped = execute(parseCommand({ type: 'bulk', args }), stateOf(few), tools);
  await expect(stopped).rejects.toMatchObject({
    path: expect.stringMatching(/^\$\.args\[1\]\.args/),
    message: error,
  });
  const kept = await execute(parseCommand({ type: 'bulk_keep_going', args }), stateOf(few), tools);
  const without = [comment('t1'), comment('t2')];
  const same = await execute(parseCommand({ type: 'bulk', args: without }), stateOf(few), tools);
  expect(kept.state.metadata).toEqual(same.state.metadata);
  expect(kept.answer).toMatchObject([{ message: 'success' }, { error }, { message: 'success' }]);
});
