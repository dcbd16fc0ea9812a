import { describe, expect, test } from 'vitest';
import { catalogOf } from '../../support/catalog.ts';
import { type Asked, refusal, SHOP } from './plan-for.ts';

interface Case extends Asked {
  readonly name: string;
  readonly path: string;
  readonly message: string;
  readonly code?: string;
}

const PAIR_OF_TABLES = catalogOf({
  pg1: {
    tables: {
      a: {
        columns: { id: 'integer!' },
        primaryKey: ['id'],
        relationships: { bs: { kind: 'array', table: 'b', on: { id: 'n' } } },
      },
      b: { columns: { n: 'integer', f: 'double precision' } },
    },
  },
});
const NO_LIST = 'expected a list, but found null';
const NULLS: readonly (readonly [name: string, field: string, path: string, message: string])[] = [
  [
    'among orderings',
    'order(order_by: [{id: asc}, null]) { id }',
    'order.args.order_by[1]',
    "expected an object for type 'order_order_by', but found null",
  ],
  [
    'for what an aggregate orders by',
    'order(order_by: {items_aggregate: {max: null}}) { id }',
    'order.args.order_by[0].items_aggregate.max',
    "expected an object for type 'item_max_order_by', but found null",
  ],
  [
    'for the columns to count',
    'order_aggregate { aggregate { count(columns: null) } }',
    'order_aggregate.selectionSet.aggregate.selectionSet.count.args.columns',
    NO_LIST,
  ],
  [
    'for a path into JSON',
    'order { extra(path: null) }',
    'order.selectionSet.extra.args.path',
    "expected a string for type 'String', but found null",
  ],
];
const PREDICATES: readonly (readonly [name: string, predicate: string, path: string, message: string])[] = [
  ['no column', 'avg: {predicate: {_gt: 1}}', '.avg.arguments', "missing required field 'arguments'"],
  [
    'one of two columns',
    'corr: {arguments: {X: f}, predicate: {_gt: 1}}',
    '.corr.arguments.Y',
    "missing required field 'Y'",
  ],
  [
    'a third column',
    'corr: {arguments: {X: f, Y: f, Z: f}, predicate: {_gt: 1}}',
    '.corr.arguments.Z',
    "field 'Z' not found in type: 'b_aggregate_bool_exp_corr_arguments'",
  ],
  [
    'a column of another type',
    'sum: {arguments: n, predicate: {_gt: 1}}',
    '.sum.arguments',
    "expected one of the values ['f'] for type 'b_select_column_b_aggregate_bool_exp_sum_arguments_columns', but found 'n'",
  ],
  [
    'a function without columns',
    'bool_or: {arguments: n, predicate: {_eq: true}}',
    '.bool_or',
    "field 'bool_or' not found in type: 'b_aggregate_bool_exp'",
  ],
  ['null for columns', 'count: {arguments: null, predicate: {}}', '.count.arguments', NO_LIST],
  ['no comparison', 'count: {}', '.count.predicate', "missing required field 'predicate'"],
];

const FIELDS: readonly Case[] = [
  {
    name: 'an unknown root field',
    query: '{ random { id } }',
    path: '$.selectionSet.random',
    message: "field 'random' not found in type: 'query_root'",
  },
  {
    name: 'an unknown field behind an alias',
    query: '{ a: order { b: nothing } }',
    path: '$.selectionSet.order.selectionSet.nothing',
    message: "field 'nothing' not found in type: 'order'",
  },
  {
    name: 'a column hidden from the role',
    role: 'clerk',
    query: '{ order { note } }',
    path: '$.selectionSet.order.selectionSet.note',
    message: "field 'note' not found in type: 'order'",
  },
  {
    name: 'a relationship to a table hidden from the role',
    role: 'buyer',
    query: '{ order { user { name } } }',
    path: '$.selectionSet.order.selectionSet.user',
    message: "field 'user' not found in type: 'order'",
  },
  {
    name: 'a by_pk field of a role that does not see the key',
    role: 'clerk',
    query: '{ user_by_pk(id: 1) { name } }',
    path: '$.selectionSet.user_by_pk',
    message: "field 'user_by_pk' not found in type: 'query_root'",
  },
  {
    name: 'an aggregate the role may not make',
    role: 'clerk',
    query: '{ order_aggregate { aggregate { count } } }',
    path: '$.selectionSet.order_aggregate',
    message: "field 'order_aggregate' not found in type: 'query_root'",
  },
  {
    name: 'an aggregate function without a column to apply to',
    role: 'buyer',
    query: '{ order_aggregate { aggregate { sum { total } } } }',
    path: '$.selectionSet.order_aggregate.selectionSet.aggregate.selectionSet.sum.selectionSet.total',
    message: "field 'total' not found in type: 'order_sum_fields'",
  },
  {
    name: 'an unknown argument',
    query: '{ order(first: 1) { id } }',
    path: '$.selectionSet.order',
    message: "'order' has no argument named 'first'",
  },
  {
    name: 'an object without a selection',
    query: '{ order { user } }',
    path: '$.selectionSet.order.selectionSet.user.selectionSet',
    message: "missing selection set for 'user'",
  },
  {
    name: 'a value with a selection',
    query: '{ order { id { x } } }',
    path: '$.selectionSet.order.selectionSet.id',
    message: 'unexpected subselection set for non-object field',
  },
  {
    name: 'two fields under one response key',
    query: '{ order { a: id a: note } }',
    path: '$.selectionSet.order.selectionSet',
    message: "selection of both 'id' and 'note' specify the same response name, 'a'",
  },
  {
    name: 'one response key with two sets of arguments',
    query: '{ order(limit: 1) { id } order(limit: 2) { id } }',
    path: '$.selectionSet',
    message: "inconsistent arguments between multiple selections of field 'order'",
  },
  {
    name: 'a fragment that contains itself',
    query: '{ order { ...a } } fragment a on order { user { ...b } } fragment b on user { orders { ...a } }',
    path: '$.selectionSet.order.selectionSet.a.selectionSet.user.selectionSet.b.selectionSet.orders.selectionSet',
    message: "cannot spread fragment 'a' within itself via ['b', 'a']",
  },
  {
    name: 'an unknown fragment',
    query: '{ order { ...missing } }',
    path: '$.selectionSet.order.selectionSet',
    message: 'reference to undefined fragment "missing"',
  },
  {
    name: 'a fragment that is there twice',
    query: '{ order { ...f } } fragment f on order { id } fragment f on order { note }',
    path: '$',
    code: 'parse-failed',
    message: 'multiple definitions for fragment "f"',
  },
  { name: 'a mutation', query: 'mutation { x }', path: '$', message: 'no mutations exist' },
  {
    name: 'introspection for a role it is disabled for',
    catalog: { ...SHOP, introspectionDisabledFor: new Set(['clerk']) },
    role: 'clerk',
    query: '{ __schema { types { name } } }',
    path: '$',
    code: 'not-supported',
    message: 'introspection is disabled for role: "clerk"',
  },
];

const VALUES: readonly Case[] = [
  {
    name: 'a limit in a string',
    query: '{ order(limit: "3") { id } }',
    path: '$.selectionSet.order.args.limit',
    message: "expected a non-negative 32-bit integer for type 'Int', but found a string",
  },
  {
    name: 'a negative limit in a variable',
    query: 'query ($n: Int) { order(limit: $n) { id } }',
    variables: { n: -1 },
    path: '$.selectionSet.order.args.limit',
    message: "expected a non-negative 32-bit integer for type 'Int', but found a number",
  },
  {
    name: 'a limit that is a float, though a whole one',
    query: '{ order(limit: 1.0) { id } }',
    path: '$.selectionSet.order.args.limit',
    message: "expected a non-negative 32-bit integer for type 'Int', but found a float",
  },
  {
    name: 'a part of a row in a variable',
    query: 'query ($n: Int) { order(limit: $n) { id } }',
    variables: { n: 1.5 },
    path: '$.selectionSet.order.args.limit',
    code: 'parse-failed',
    message:
      'The value 1.5 lies outside the bounds or is not an integer. Maybe it is a float, or is there integer overflow?',
  },
  {
    name: 'an offset that is a float',
    query: '{ order(offset: 1.0) { id } }',
    path: '$.selectionSet.order.args.offset',
    message:
      "expected a 32-bit integer, or a 64-bit integer represented as a string for type 'Int', but found a float",
  },
  {
    name: 'an unknown operator',
    query: '{ order(where: {id: {_ne: 1}}) { id } }',
    path: '$.selectionSet.order.args.where.id._ne',
    message: "field '_ne' not found in type: 'Int_comparison_exp'",
  },
  {
    name: 'an unknown column in a list of conditions',
    query: '{ order(where: {_and: [{}, {x: {}}]}) { id } }',
    path: '$.selectionSet.order.args.where._and[1].x',
    message: "field 'x' not found in type: 'order_bool_exp'",
  },
  {
    name: 'a value of another type',
    query: '{ order(where: {id: {_in: [1, true]}}) { id } }',
    path: '$.selectionSet.order.args.where.id._in[1]',
    code: 'parse-failed',
    message:
      'parsing Integer expected for input type: PGInteger failed, expected Number, but encountered Boolean',
  },
  {
    name: 'a value of another type in a variable, found when it is bound',
    query: 'query ($w: order_bool_exp) { order(where: $w) { id } }',
    variables: { w: { note: { _eq: ['a'] } } },
    path: '$.selectionSet.order.args.where.note._eq',
    code: 'parse-failed',
    message: 'parsing Text failed, expected String, but encountered Array',
  },
  {
    name: 'a null to compare with',
    query: '{ order(where: {note: {_eq: null}}) { id } }',
    path: '$.selectionSet.order.args.where.note._eq',
    message: "unexpected null value for type 'String'",
  },
  {
    name: 'an unset variable to compare with',
    query: 'query ($x: String) { order(where: {note: {_eq: $x}}) { id } }',
    path: '$.selectionSet.order.args.where.note._eq',
    message: "unexpected null value for type 'String'",
  },
  {
    name: 'an integer out of range',
    query: '{ order(where: {id: {_eq: 2147483648}}) { id } }',
    path: '$.selectionSet.order.args.where.id._eq',
    code: 'parse-failed',
    message:
      'The value 2.147483648e9 lies outside the bounds or is not an integer. Maybe it is a float, or is there integer overflow?',
  },
  {
    name: 'an enum value in quotes',
    query: '{ item(where: {color: {_eq: "red"}}) { id } }',
    path: '$.selectionSet.item.args.where.color._eq',
    message: "expected an enum value for type 'color_enum', but found a string",
  },
  {
    name: 'an unknown enum value in a variable',
    query: 'query ($c: color_enum!) { item(where: {color: {_eq: $c}}) { id } }',
    variables: { c: 'pink' },
    path: '$.selectionSet.item.args.where.color._eq',
    message: "expected one of the values ['red', 'blue'] for type 'color_enum', but found 'pink'",
  },
  {
    name: 'an operator an enum does not have',
    query: '{ item(where: {color: {_like: "r"}}) { id } }',
    path: '$.selectionSet.item.args.where.color._like',
    message: "field '_like' not found in type: 'color_enum_comparison_exp'",
  },
  {
    name: 'distinct columns that the ordering does not begin with',
    query: '{ order(distinct_on: [note], order_by: {id: asc}) { id } }',
    path: '$.selectionSet.order.args',
    message: '"distinct_on" columns must match initial "order_by" columns',
  },
  {
    name: 'a distinct column that is named more often than the ordering has columns of them',
    query: '{ order(distinct_on: [note, note, id], order_by: [{note: asc}, {id: asc}]) { id } }',
    path: '$.selectionSet.order.args',
    message: '"distinct_on" columns must match initial "order_by" columns',
  },
  ...NULLS.map(([name, field, path, message]) => ({
    name: `null ${name}`,
    query: `{ ${field} }`,
    path: `$.selectionSet.${path}`,
    message,
  })),
  {
    name: 'a direction that does not exist',
    query: '{ order(order_by: {id: up}) { id } }',
    path: '$.selectionSet.order.args.order_by[0].id',
    message:
      "expected one of the values ['asc', 'asc_nulls_first', 'asc_nulls_last', 'desc', 'desc_nulls_first', 'desc_nulls_last'] " +
      "for type 'order_by', but found 'up'",
  },
  {
    name: 'no aggregate predicate',
    query: '{ order(where: {items_aggregate: {}}) { id } }',
    path: '$.selectionSet.order.args.where.items_aggregate',
    message: 'exactly one predicate should be specified',
  },
  ...PREDICATES.map(([name, predicate, path, message]) => ({
    name: `${name} in an aggregate predicate`,
    catalog: PAIR_OF_TABLES,
    query: `{ a(where: {bs_aggregate: {${predicate}}}) { id } }`,
    path: `$.selectionSet.a.args.where.bs_aggregate${path}`,
    message,
  })),
  {
    name: 'a hidden column in an aggregate predicate',
    catalog: catalogOf({
      default: {
        tables: {
          a: {
            columns: { id: 'integer!' },
            primaryKey: ['id'],
            relationships: { bs: { kind: 'array', table: 'b', on: { id: 'a_id' } } },
            permissions: { r: {} },
          },
          b: {
            columns: { a_id: 'integer', secret: 'text' },
            permissions: { r: { columns: ['a_id'], allowAggregations: true } },
          },
        },
      },
    }),
    role: 'r',
    query: '{ a(where: {bs_aggregate: {count: {arguments: secret, predicate: {_gt: 1}}}}) { id } }',
    path: '$.selectionSet.a.args.where.bs_aggregate.count.arguments[0]',
    message: "expected one of the values ['a_id'] for type 'b_select_column', but found 'secret'",
  },
  {
    name: 'a missing key',
    query: '{ order_by_pk { id } }',
    path: '$.selectionSet.order_by_pk.args.id',
    message: "missing required field 'id'",
  },
];

const VARIABLES: readonly Case[] = [
  {
    name: 'a variable of another type',
    query: 'query ($x: String) { order(where: {id: {_eq: $x}}) { id } }',
    variables: { x: '1' },
    path: '$.selectionSet.order.args.where.id._eq',
    message: "variable 'x' is declared as 'String', but used where 'Int' is expected",
  },
  {
    name: 'a list of nullable values where none may be null',
    query: 'query ($x: [Int]) { order(where: {id: {_in: $x}}) { id } }',
    variables: { x: [1] },
    path: '$.selectionSet.order.args.where.id._in',
    message: "variable 'x' is declared as '[Int]', but used where '[Int!]' is expected",
  },
  {
    name: 'a nullable variable as a required argument',
    query: 'query ($x: Int) { order_by_pk(id: $x) { id } }',
    variables: { x: 1 },
    path: '$.selectionSet.order_by_pk.args.id',
    message: "variable 'x' is declared as 'Int', but used where 'Int!' is expected",
  },
  {
    name: 'a variable without a value where there must be none or one',
    query: 'query ($p: String) { order { extra(path: $p) } }',
    path: '$.selectionSet.order.selectionSet.extra.args.path',
    message: "expected a string for type 'String', but found null",
  },
  {
    name: 'a missing variable',
    query: 'query ($x: Int!) { order_by_pk(id: $x) { id } }',
    path: '$',
    message: 'expecting a value for non-nullable variable: "x"',
  },
  {
    name: 'a null for a variable that takes none',
    query: 'query ($x: Int!) { order_by_pk(id: $x) { id } }',
    variables: { x: null },
    path: '$',
    message: 'null value found for non-nullable type: "Int!"',
  },
  {
    name: 'a value for no variable',
    query: '{ order { id } }',
    variables: { y: 1 },
    path: '$',
    message: 'unexpected variables in variableValues: y',
  },
  {
    name: 'a variable that is declared twice',
    query: 'query ($n: Int, $n: Int) { order(limit: $n) { id } }',
    path: '$',
    code: 'parse-failed',
    message: 'multiple definitions for variable "n"',
  },
  {
    name: 'an undeclared variable',
    query: '{ order(limit: $z) { id } }',
    path: '$',
    message: 'unbound variable "z"',
  },
  {
    name: 'a missing session variable',
    role: 'buyer',
    query: '{ order { id } }',
    path: '$',
    code: 'not-found',
    message: 'missing session variables: "x-hasura-name"',
  },
];

describe.each([
  ['fields', FIELDS],
  ['values', VALUES],
  ['variables', VARIABLES],
])('%s are refused where they stand', (_, cases) => {
  test.each(cases)('$name', ({ name: _name, code, path, message, ...asked }) => {
    expect(refusal(asked)).toEqual({ code: code ?? 'validation-failed', path, message });
  });
});
