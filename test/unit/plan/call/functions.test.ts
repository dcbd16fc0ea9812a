import { printType } from 'graphql';
import { expect, test } from 'vitest';
import type { Catalog } from '../../../../src/catalog/catalog.ts';
import { compilePlan } from '../../../../src/read/compiled-plan.ts';
import { ownTables } from '../../../../src/sql/place/leaf.ts';
import { buildSchema } from '../../../support/build-schema.ts';
import { argument, catalogWith, found, type World } from '../../catalog/tracked-functions.ts';
import { planFor, printed, refusal } from '../plan-for.ts';

const READER = {
  table: 'user',
  select_permissions: ['reader', 'other'].map((role) => ({
    role,
    permission: {
      columns: ['id'],
      filter: { id: { _gt: 1 } },
      limit: 5,
      query_root_fields: [],
      subscription_root_fields: [],
    },
  })),
};
const NEAR = found('near', { args: [argument('of', 'int4'), argument('more', 'int4[]', true)] });
const BEST = found('best', {
  args: [argument(null, 'text', true)],
  returns: { ...found('f').returns, set: false },
});
const FUNCTIONS = [
  { function: 'near', comment: 'who is near', permissions: [{ role: 'reader' }] },
  { function: 'best' },
];

function world(more: Partial<World> = {}): Catalog {
  return catalogWith({ found: [NEAR, BEST], functions: FUNCTIONS, tables: [READER], ...more });
}

test('a call is planned as any list is, under the rules of the table, and nowhere merged with others', () => {
  const query = '{ near(args: {of: 1}, limit: 9) { id } }';
  expect(printed({ query, role: 'reader', catalog: world() })).toBe(
    [
      'near = list of pg1.user by near#0(id)',
      '  where id gt $1',
      '  limit 5',
      '  id: id',
      '$0 integer = "1"',
      '$1 bigint = "1"',
      '',
    ].join('\n'),
  );
  const plan = planFor({ query: 'query ($n: Int) { near(args: {of: $n}) { id } }', catalog: world() });
  const statement = compilePlan(plan, false).groups[0]?.statement('', ownTables, []);
  expect(statement?.together).toBeNull();
});

test('a function that needs nothing is given nothing, or an object', () => {
  expect(refusal({ query: '{ best(args: {}) { id } }', role: 'reader', catalog: world() })).toBe(null);
  expect(refusal({ query: '{ best(args: null) { id } }', role: 'reader', catalog: world() })).toEqual({
    code: 'validation-failed',
    path: '$.selectionSet.best.args.args',
    message: "expected an object for type 'best_args', but found null",
  });
});

test('what is asked of a function can be subscribed to, and lies in the namespace of its source', () => {
  const query = 'subscription { near(args: {of: 1}) { id } }';
  expect(printed({ query, role: 'reader', catalog: world() })).toContain('near = list of pg1.user by near#0');
  const catalog = world({ more: { customization: { root_fields: { namespace: 'one' } } } });
  expect(printed({ query: '{ one { best { id } } }', role: 'reader', catalog })).toContain(
    'best = one of pg1.user by best#0',
  );
  expect(refusal({ query: '{ best { id } }', role: 'reader', catalog })?.message).toBe(
    "field 'best' not found in type: 'query_root'",
  );
});

test('where permissions are not inferred, a role or one that it inherits from needs one', () => {
  const catalog = world({ settings: { infersFunctionPermissions: false } });
  const asked = (role: string) =>
    refusal({
      query: '{ near(args: {of: 1}) { id } }',
      role,
      catalog: { ...catalog, inheritedRoles: new Map([['heir', ['other', 'reader']]]) },
    });
  expect(['admin', 'reader', 'heir'].map(asked)).toEqual([null, null, null]);
  expect(asked('other')?.message).toBe("field 'near' not found in type: 'query_root'");
});

test('the schema has what Hasura shows of functions', () => {
  const schema = buildSchema(world(), 'reader');
  const shown = Object.values(schema.getQueryType()?.getFields() ?? {}).map(
    ({ name, type, description, args }) => {
      const given = args.map((arg) => `${arg.name}: ${String(arg.type)}`);
      return { field: `${name}: ${String(type)}`, description, args: given };
    },
  );
  const args = [
    'distinct_on: [user_select_column!]',
    'limit: Int',
    'offset: Int',
    'order_by: [user_order_by!]',
    'where: user_bool_exp',
  ];
  expect(shown).toEqual([
    {
      field: 'best: user',
      description: 'execute function "best" which returns "user"',
      args: ['args: best_args', ...args],
    },
    { field: 'near: [user!]!', description: 'who is near', args: ['args: near_args!', ...args] },
  ]);
  expect(schema.getSubscriptionType()?.getFields()['near']?.args[0]?.description).toBe(
    'input parameters for function "near"',
  );
  expect(printType(schema.getType('near_args') as never)).toBe(
    'input near_args {\n  more: _int4\n  of: Int\n}',
  );
  expect(printType(schema.getType('best_args') as never)).toBe('input best_args {\n  arg_1: String\n}');
  expect(printType(schema.getType('user') as never)).toContain('id: bigint!');
  expect(Object.keys(buildSchema(world(), 'admin').getQueryType()?.getFields() ?? {})).toEqual([
    'best',
    'best_aggregate',
    'near',
    'near_aggregate',
    'user',
    'user_aggregate',
    'user_by_pk',
  ]);
});
