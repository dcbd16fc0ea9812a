import { expect, test } from 'vitest';
import type { FoundFunction } from '../../../src/catalog/introspect/found-functions.ts';
import { type } from './found.ts';
import { argument, catalogWith, found, only, USERS } from './tracked-functions.ts';

test('a function becomes root fields with its arguments, over rows that may break what its table keeps to', () => {
  const args = [argument('search', 'text'), argument(null, 'int4', true), argument('session', 'json')];
  const one = only(
    catalogWith({
      found: [found('near', { args })],
      functions: [{ function: 'near', configuration: { session_argument: 'session' } }],
    }),
  );
  expect(one).toMatchObject({
    returns: USERS,
    set: true,
    exposedAs: 'query',
    root: {
      rows: { name: 'near', description: 'execute function "near" which returns "user"' },
      aggregate: {
        name: 'near_aggregate',
        description: 'execute function "near" and query aggregates on result of table type "user"',
      },
    },
    argsType: 'near_args',
    roles: null,
  });
  expect(
    one.signature.slots.map((slot) => [slot.kind, slot.kind === 'given' ? slot.field : slot.name]),
  ).toEqual([
    ['given', 'search'],
    ['given', 'arg_1'],
    ['session', 'session'],
  ]);
  expect(one.rows.columns.map(({ name, notNull }) => [name, notNull])).toEqual([
    ['id', false],
    ['name', false],
  ]);
  expect([one.rows.primaryKey, one.rows.uniqueKeys]).toEqual([[], []]);
});

const NAMES: readonly [title: string, configuration: object, more: object, names: readonly string[]][] = [
  ['its own', {}, {}, ['s_find_all', 's_find_all_aggregate', 's_find_all_args']],
  ['a custom name', { custom_name: 'by' }, {}, ['by', 'by_aggregate', 'by_args']],
  [
    'custom root fields',
    { custom_name: 'by', custom_root_fields: { function_aggregate: 'counted' } },
    {},
    ['by', 'counted', 'by_args'],
  ],
  [
    'a prefixed source',
    {},
    { customization: { root_fields: { prefix: 'p_' }, type_names: { suffix: '_t' } } },
    ['p_s_find_all', 'p_s_find_all_aggregate', 's_find_all_args_t'],
  ],
  [
    'camelCase',
    {},
    { customization: { naming_convention: 'graphql-default' } },
    ['sFindAll', 'sFindAllAggregate', 'sFindAllArgs'],
  ],
];

test.each(NAMES)('%s gives the names', (_title, configuration, more, names) => {
  const ref = { schema: 's', name: 'find_all' };
  const functions = [{ function: ref, configuration }];
  const one = only(catalogWith({ found: [found('find_all', {}, 's')], functions, more }));
  expect([one.root.rows.name, one.root.aggregate?.name, one.argsType]).toEqual(names);
});

const cannot = (why: string): string =>
  `Inconsistent object: in function "f": the function "f" cannot be tracked because ${why}`;
const SCALAR = { type: type('int4'), table: null, set: true };
const REFUSED: readonly [
  title: string,
  real: readonly FoundFunction[],
  configuration: object,
  reason: string,
][] = [
  ['one that is not there', [], {}, 'Inconsistent object: in function "f": no such function exists: "f"'],
  [
    'an overloaded one',
    [found('f'), found('f')],
    {},
    'Inconsistent object: in function "f": function "f" is overloaded. Overloaded functions are not supported',
  ],
  [
    'a variadic one',
    [found('f', { variadic: true })],
    {},
    cannot('function with "VARIADIC" parameters are not supported'),
  ],
  [
    'a number',
    [found('f', { returns: SCALAR })],
    {},
    'Inconsistent object: in function "f": the function "f" cannot be tracked for the following reasons:\n • the function does not return a "COMPOSITE" type\n • the function does not return a table\n',
  ],
  [
    'a table that is not tracked',
    [found('f', { returns: { ...found('f').returns, table: { schema: 'public', name: 'x' } } })],
    {},
    'Inconsistent object: table "x" is not tracked',
  ],
  [
    'a mutation that changes nothing',
    [found('f')],
    { exposed_as: 'mutation' },
    cannot(
      'the function was requested to be exposed as a mutation, but is not marked VOLATILE. Maybe the function was given the wrong volatility when it was defined?',
    ),
  ],
  [
    'a query that may change something',
    [found('f', { volatility: 'volatile' })],
    { exposed_as: 'query' },
    cannot(
      'the function was requested to be exposed as a query, but is marked VOLATILE, and a query may run it more than once. Mark it STABLE if it only reads',
    ),
  ],
  [
    'a session argument that is none',
    [found('f')],
    { session_argument: 's' },
    cannot('given session argument "s" not the input argument of the function'),
  ],
  [
    'a session argument that is no json',
    [found('f', { args: [argument('s', 'jsonb')] })],
    { session_argument: 's' },
    cannot('given session argument "s" is not of type json'),
  ],
  [
    'odd arguments',
    [found('f', { args: [argument('a b', 'text'), argument('1', 'text')] })],
    {},
    cannot('the function arguments a b,1 are not in compliance with GraphQL spec'),
  ],
  [
    'an argument of any type',
    [
      found('f', {
        args: [{ ...argument('a', 'anyelement'), type: { ...type('anyelement'), kind: 'pseudo' } }],
      }),
    ],
    {},
    cannot('the type "anyelement" of an argument stands for many types'),
  ],
  [
    'a name of two fields',
    [found('f')],
    { custom_root_fields: { function: 'f_aggregate' } },
    'Inconsistent object: in function "f": two root fields of the function have the name "f_aggregate"',
  ],
  [
    'the name of a table',
    [found('f')],
    { custom_name: 'user' },
    `Inconsistent object: Encountered conflicting definitions in the selection set for 'subscription_root' for fields: ['user' defined in [table user in source pg1, function f in source pg1], 'user_aggregate' defined in [table user in source pg1, function f in source pg1]]. Fields must not be defined more than once across all sources.`,
  ],
];

test.each(REFUSED)('%s is inconsistent, and nothing else is', (_title, real, configuration, reason) => {
  const catalog = catalogWith({ found: real, functions: [{ function: 'f', configuration }] });
  expect(catalog.inconsistent).toEqual([
    {
      type: 'function',
      name: 'function f in source pg1',
      reason,
      definition: { schema: 'public', name: 'f' },
    },
  ]);
  expect(catalog.sources.get('pg1')?.functions.size).toBe(0);
  expect(catalog.sources.get('pg1')?.tables.size).toBe(1);
});

test('functions that change data are known and need no names', () => {
  const catalog = catalogWith({
    found: [found('user_aggregate', { volatility: 'volatile' })],
    functions: [{ function: 'user_aggregate' }],
  });
  expect(catalog.inconsistent).toEqual([]);
  expect(only(catalog).exposedAs).toBe('mutation');
});

test('roles need a permission of their own when it is not inferred', () => {
  const functions = [{ function: 'f', permissions: [{ role: 'a' }] }];
  const world = { found: [found('f')], functions };
  expect(only(catalogWith(world)).roles).toBeNull();
  const apart = only(catalogWith({ ...world, settings: { infersFunctionPermissions: false } }));
  expect(apart.roles).toEqual(new Set(['a']));
});

/** A function that computes a text for a user. */
function computing(name: string, ...args: readonly ReturnType<typeof argument>[]): FoundFunction {
  const row = {
    ...argument('one', 'user'),
    type: { ...type('user'), kind: 'composite' as const },
    table: USERS,
  };
  return found(name, { args: [row, ...args], returns: { type: type('uuid'), table: null, set: false } });
}

test.each([
  ['plain', {}, 'pin_user_args'],
  ['wrapped', { type_names: { prefix: 'p_', suffix: '_s' } }, 'p_pin_user_args_s'],
  ['respelled', { naming_convention: 'graphql-default' }, 'pin_user_args'],
])('the type of a computed field’s arguments where names are %s', (_how, customization, argsType) => {
  const { sources, inconsistent } = catalogWith({
    found: [computing('pin', argument('word', 'text'))],
    functions: [],
    tables: [{ table: 'user', computed_fields: [{ name: 'pin', definition: { function: 'pin' } }] }],
    more: { customization },
  });
  expect(inconsistent).toEqual([]);
  const [user] = sources.get('pg1')?.tables.values() ?? [];
  expect(user?.computedFields.get('pin')?.argsType).toBe(argsType);
});

test.each([
  [
    'arguments have',
    {},
    [{ function: 'by_user', configuration: { custom_name: 'pin_user' } }],
    'type name "pin_user_args" is taken by function by_user in source pg1: choose another name',
  ],
  [
    'value has',
    { configuration: { custom_name: 'uuid' } },
    [],
    'type name "uuid" is taken by table user in source pg1: choose another name',
  ],
])(
  'a computed field does not hold whose %s a type that is somebody else’s',
  (_what, table, functions, problem) => {
    const catalog = catalogWith({
      found: [
        computing('pin', argument('word', 'text')),
        found('by_user', { args: [argument('n', 'int4')] }),
      ],
      functions,
      tables: [
        { table: 'user', ...table, computed_fields: [{ name: 'pin', definition: { function: 'pin' } }] },
      ],
    });
    expect(catalog.inconsistent).toMatchObject([
      {
        type: 'computed_field',
        name: 'computed_field pin in table user in source pg1',
        reason: `Inconsistent object: in table "user": in computed field "pin": ${problem}`,
      },
    ]);
    const tables = catalog.sources.get('pg1')?.tables.values() ?? [];
    expect([...tables].map(({ computedFields }) => computedFields.size)).toEqual([0]);
  },
);
