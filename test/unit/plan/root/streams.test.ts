import { parse } from 'graphql';
import { describe, expect, test } from 'vitest';
import { variableShape } from '../../../../src/plan/operation/shape.ts';
import { prepareVariables } from '../../../../src/plan/operation/variables.ts';
import { catalogOf } from '../../../support/catalog.ts';
import { database, catalogOf as resolvedOf, source, table } from '../../catalog/found.ts';
import { bound, planFor, printed, refusal } from '../plan-for.ts';

const stream = (args: string, fields = 'id') => `subscription { order_stream(${args}) { ${fields} } }`;
const BY_ID = 'cursor: {initial_value: {id: 7}}';

test('a stream is the next rows behind its cursor, in its order, with filter, permission and limit', () => {
  const args = `batch_size: 20, cursor: [{initial_value: {id: 7}, ordering: DESC}], where: {user: {name: {_eq: "x"}}}`;
  expect(printed({ role: 'clerk', query: stream(args, 'id total') })).toMatchInlineSnapshot(`
    "order_stream = stream of pg1.order#0(id, user_id, total, paid) key id by id behind $2
      where (paid eq $3 and exists(user pg2.user#1(id, name, age) where (age gte $1 and name eq $0)) and id lt $2)
      order by id desc
      limit 10 with ties
      id: id
      total: total
    $0 text = "x"
    $1 integer = "18"
    $2 integer = "7"
    $3 boolean = "true"
    remote pg1 <- pg2: user(id, name, age) [cache true, staleness null, fallback null, down error]
    "
  `);
  expect(planFor({ query: stream(args) }).cursor).toEqual({ kind: 'param', index: 1 });
  expect(planFor({ query: stream(`batch_size: 5, ${BY_ID}`), role: 'clerk' }).roots[0]).toMatchObject({
    select: { limit: 5 },
  });
});

test('values are bound without loss, literal or variable', () => {
  const variables = { at: '9007199254740993', size: 3 };
  const query = `subscription ($at: bigint, $size: Int!) { order_stream(batch_size: $size, cursor: {initial_value: {user_id: $at}}) { id } }`;
  expect(bound({ query, variables })).toEqual(['9007199254740993']);
  const whole = `subscription ($c: [order_stream_cursor_input]!) { order_stream(batch_size: 1, cursor: $c) { id } }`;
  expect(
    bound({ query: whole, variables: { c: [null, { initial_value: { note: 'a' }, ordering: 'DESC' }] } }),
  ).toEqual(['a']);
});

test.each<[string, string, string]>([
  [`${BY_ID}`, 'batch_size', "missing required field 'batch_size'"],
  ['batch_size: 1', 'cursor', "missing required field 'cursor'"],
  ['batch_size: 1, cursor: null', 'cursor', 'expected a list, but found null'],
  ['batch_size: 1, cursor: []', '', 'one streaming column field is expected'],
  ['batch_size: 1, cursor: [null]', '', 'one streaming column field is expected'],
  ['batch_size: 1, cursor: {initial_value: {}}', '', 'one streaming column field is expected'],
  [
    'batch_size: 1, cursor: {initial_value: {id: 1, note: "a"}}',
    '',
    'multiple column cursors are not supported yet',
  ],
  [
    `batch_size: 1, cursor: [{initial_value: {id: 1}}, {initial_value: {note: "a"}}]`,
    '',
    'multiple column cursors are not supported yet',
  ],
  ['batch_size: 1, cursor: {}', 'cursor[0].initial_value', "missing required field 'initial_value'"],
  [
    'batch_size: 1, cursor: {initial_value: {nothing: 1}}',
    'cursor[0].initial_value.nothing',
    "field 'nothing' not found in type: 'order_stream_cursor_value_input'",
  ],
  [
    'batch_size: 1, cursor: {initial_value: {id: 1}, batch: 1}',
    'cursor[0].batch',
    "field 'batch' not found in type: 'order_stream_cursor_input'",
  ],
  [
    'batch_size: 1, cursor: {initial_value: {id: null}}',
    'cursor[0].initial_value.id',
    "unexpected null value for type 'Int'",
  ],
  [
    'batch_size: 1, cursor: {initial_value: {id: 1}, ordering: desc}',
    'cursor[0].ordering',
    "expected one of the values ['ASC', 'DESC'] for type 'cursor_ordering', but found 'desc'",
  ],
  [
    'batch_size: 1, cursor: {initial_value: {id: 1}, ordering: null}',
    'cursor[0].ordering',
    "expected an enum value for type 'cursor_ordering', but found null",
  ],
  [
    `batch_size: -1, ${BY_ID}`,
    'batch_size',
    "expected a non-negative 32-bit integer for type 'Int', but found an integer",
  ],
  [
    `batch_size: null, ${BY_ID}`,
    'batch_size',
    "expected a non-negative 32-bit integer for type 'Int', but found null",
  ],
])('%s is refused', (args, place, message) => {
  const path = `$.selectionSet.order_stream.args${place === '' ? '' : `.${place}`}`;
  expect(refusal({ query: stream(args) })).toEqual({ code: 'validation-failed', path, message });
});

describe('who may stream', () => {
  test('only a subscription has streams, and it has one alone', () => {
    const field = `order_stream(batch_size: 1, ${BY_ID}) { id }`;
    expect(refusal({ query: `{ ${field} }` })?.message).toBe(
      "field 'order_stream' not found in type: 'query_root'",
    );
    const table = { columns: { id: 'integer!' }, primaryKey: ['id'] };
    const catalog = catalogOf({ here: { namespace: 'shop', tables: { order: table } } });
    expect(refusal({ catalog, query: `subscription { shop { ${field} } }` })).toBe(null);
    expect(planFor({ catalog, query: `subscription { shop { ${field} } }` }).cursor).not.toBe(null);
    expect(refusal({ catalog, query: `subscription { shop { ${field} order { id } } }` })?.message).toBe(
      'subscriptions must select one top level field',
    );
  });

  test('a permission opens streams by themselves, and its columns are those a cursor may name', () => {
    const of = (fields: readonly ('select' | 'select_stream')[]) =>
      catalogOf({
        here: {
          tables: {
            order: {
              columns: { id: 'integer!', note: 'text' },
              primaryKey: ['id'],
              permissions: { r: { columns: ['id'], subscriptionRootFields: fields } },
            },
          },
        },
      });
    const query = stream(`batch_size: 1, ${BY_ID}`);
    expect(refusal({ catalog: of(['select_stream']), role: 'r', query })).toBe(null);
    expect(refusal({ catalog: of(['select']), role: 'r', query })?.message).toContain('not found');
    const hidden = stream('batch_size: 1, cursor: {initial_value: {note: "a"}}');
    expect(refusal({ catalog: of(['select_stream']), role: 'r', query: hidden })?.message).toBe(
      "field 'note' not found in type: 'order_stream_cursor_value_input'",
    );
  });

  test('a cell that is hidden in some rows lets none of them through', () => {
    const table = {
      columns: { id: 'integer!', note: 'text' },
      permissions: {
        a: { columns: ['id'] },
        b: { columns: ['id', 'note'], filter: { id: { _gt: 5 } } },
      },
    };
    const catalog = catalogOf(
      { here: { tables: { order: table } } },
      { inheritedRoles: new Map([['both', ['a', 'b']]]) },
    );
    const query = stream('batch_size: 1, cursor: {initial_value: {note: "a"}}');
    expect(printed({ catalog, role: 'both', query })).toMatchInlineSnapshot(`
      "order_stream = stream of here.order#0(id, note) by note behind $0
        where ((id gt $2) is true and note gt $0)
        order by note asc
        limit 1 with ties
        id: id
      $0 text = "a"
      $1 integer = "5"
      $2 integer = "5"
      "
    `);
  });
});

test('graphql-default spells arguments and types its way', () => {
  const columns = table('log_entry', ['id int4 pk', 'user_id int4']);
  const catalog = resolvedOf(
    [source('here', [{ table: 'log_entry' }], { customization: { naming_convention: 'graphql-default' } })],
    { here: database([columns]) },
  );
  const query = `subscription ($o: CursorOrdering) {
    logEntryStream(batchSize: 3, cursor: {initialValue: {userId: 5}, ordering: $o}) { id }
  }`;
  expect(printed({ catalog, query, variables: { o: 'DESC' } })).toContain('order by user_id desc');
});

test('another beginning is the same plan; another column, ordering or size is another', () => {
  const query = `subscription ($c: [order_stream_cursor_input]!, $o: cursor_ordering, $n: Int, $v: Int!) {
    a: order_stream(batch_size: $v, cursor: $c) { id }
    b: order_stream(batch_size: 1, cursor: [{initial_value: {id: $n}, ordering: $o}]) { id }
  }`;
  const document = parse(query);
  const [operation] = document.definitions;
  if (operation?.kind !== 'OperationDefinition') throw new Error('no operation');
  const prepared = prepareVariables(document, operation);
  const shape = (c: object, more: object = {}) =>
    variableShape(prepared, new Map(Object.entries({ c: [c], o: 'ASC', n: 1, v: 1, ...more })));
  const usual = shape({ initial_value: { id: 1 }, ordering: 'ASC' });
  expect(shape({ initial_value: { id: 2 }, ordering: 'ASC' }, { n: 5 })).toBe(usual);
  const others = [
    shape({ initial_value: { note: 'a' }, ordering: 'ASC' }),
    shape({ initial_value: { id: 1 }, ordering: 'DESC' }),
    shape({ initial_value: { id: 1 } }),
    shape({ initial_value: { id: 1 }, ordering: 'ASC' }, { o: 'DESC' }),
    shape({ initial_value: { id: 1 }, ordering: 'ASC' }, { v: 2 }),
  ];
  expect(new Set([usual, ...others]).size).toBe(6);
});
