import { describe, expect, test } from 'vitest';
import { EventReader } from '../../../../connectors/kafka/debezium.ts';
import { type RowEvent, tableEvent, transactionEnd } from '../../../../connectors/kafka/envelope.ts';
import { MessageReader } from '../../../../connectors/kafka/json.ts';
import type { TableLayout } from '../../../../connectors/kafka/layout.ts';
import type { Change } from '../../../../src/core/rows/change.ts';
import { UNCHANGED } from '../../../../src/core/rows/row.ts';
import { cellsOf } from '../../../support/cells-of.ts';
import { type Columns, eventMessage, type MadeEvent } from '../../../support/kafka-events.ts';

const PLACEHOLDER = '__debezium_unavailable_value';
const COLUMNS: Columns = {
  id: { type: 'int64', name: null },
  note: { type: 'string', name: null },
  data: { type: 'bytes', name: null },
  tags: { type: 'string', name: 'io.debezium.data.Json' },
};
const LAYOUT: TableLayout = {
  table: { schema: 'public', name: 'things' },
  oid: 5,
  columns: [
    { name: 'id', typeOid: 20, typeModifier: -1, kind: 'integer', isKey: true },
    { name: 'note', typeOid: 25, typeModifier: -1, kind: 'text', isKey: false },
    { name: 'data', typeOid: 17, typeModifier: -1, kind: 'bytea', isKey: false },
    { name: 'tags', typeOid: 99_999, typeModifier: -1, kind: 'hstore', isKey: false },
  ],
};

function eventOf(
  made: MadeEvent,
  columns: Columns | null = COLUMNS,
  headers: readonly string[] = [],
): RowEvent {
  const event = tableEvent(new MessageReader().read(eventMessage(made, columns)), headers);
  if (event.kind !== 'row') throw new Error('not a change of a row');
  return event;
}

function told(made: MadeEvent, columns: Columns | null = COLUMNS, old: RowEvent | null = null): unknown {
  return shown(new EventReader(PLACEHOLDER).change(eventOf(made, columns), LAYOUT, old));
}

function shown(change: Change): unknown {
  if (change.kind === 'truncate') return { kind: 'truncate', fault: change.relations[0]?.fault };
  const { relation: _relation, ...rest } = change;
  const rows = Object.entries(rest).map(([name, value]) => [
    name,
    typeof value === 'object' && value !== null ? cellsOf(value) : value,
  ]);
  return Object.fromEntries(rows);
}

const ROW = '{"id":9007199254740993,"note":"a","data":"AQ==","tags":"{\\"k\\":\\"v\\"}"}';
const SHOWN = ['9007199254740993', 'a', '\\x01', '"k"=>"v"'];
const ABSENT = `{"id":1,"note":"${PLACEHOLDER}","data":"${Buffer.from(PLACEHOLDER).toString('base64')}","tags":"{\\"${PLACEHOLDER}\\":\\"${PLACEHOLDER}\\"}"}`;
const KEY = '{"id":1,"note":null,"data":null,"tags":null}';

describe.each([
  ['with a schema', COLUMNS],
  ['without a schema', null],
] as const)('an event %s', (_title, columns) => {
  test('an insert', () => {
    expect(told({ op: 'c', after: ROW }, columns)).toEqual({ kind: 'insert', after: SHOWN });
  });

  test('an update', () => {
    expect(told({ op: 'u', after: ROW }, columns)).toEqual({ kind: 'update', after: SHOWN, before: null });
  });

  test('a delete', () => {
    expect(told({ op: 'd', before: KEY }, columns)).toEqual({
      kind: 'delete',
      before: ['1', null, null, null],
    });
  });

  test('a truncate', () => {
    expect(told({ op: 't' }, columns)).toEqual({ kind: 'truncate', fault: undefined });
  });

  test('values that were not sent', () => {
    expect(told({ op: 'u', after: ABSENT }, columns)).toEqual({
      kind: 'update',
      after: ['1', UNCHANGED, UNCHANGED, UNCHANGED],
      before: null,
    });
  });

  test('nothing beside the key is taken from an old row, where Debezium may have made it up', () => {
    const before = ROW.replace('9007199254740993', '1');
    expect(told({ op: 'u', before, after: ABSENT }, columns)).toEqual({
      kind: 'update',
      after: ['1', UNCHANGED, UNCHANGED, UNCHANGED],
      before: null,
    });
  });

  test('in an insert the stand-in is a value like any other', () => {
    expect(
      told({ op: 'c', after: `{"id":1,"note":"${PLACEHOLDER}","data":null,"tags":null}` }, columns),
    ).toEqual({ kind: 'insert', after: ['1', PLACEHOLDER, null, null] });
  });

  test('a key that changes is a delete and an insert, and large values come from the old row', () => {
    const old = eventOf({ op: 'd', before: KEY }, columns, ['__debezium.newkey']);
    expect(old.rekey).toBe('old');
    expect(told({ op: 'c', after: ABSENT.replace('"id":1', '"id":2') }, columns, old)).toEqual({
      kind: 'update',
      after: ['2', UNCHANGED, UNCHANGED, UNCHANGED],
      before: ['1', null, null, null],
    });
  });

  test('a column that the events lack is none of the relation', () => {
    const fewer = columns === null ? null : { id: COLUMNS['id'] ?? { type: 'int64', name: null } };
    const change = new EventReader(PLACEHOLDER).change(
      eventOf({ op: 'c', after: '{"id":1}' }, fewer),
      LAYOUT,
      null,
    );
    expect(change.kind === 'insert' && change.relation.columns.map(({ name }) => name)).toEqual(['id']);
  });

  test('a change whose key was not sent is told as a fault, unless the old row has it', () => {
    const keyed: TableLayout = {
      ...LAYOUT,
      columns: LAYOUT.columns.map((column) => ({ ...column, isKey: column.name === 'note' })),
    };
    const change = (before: string): unknown =>
      shown(
        new EventReader(PLACEHOLDER).change(
          eventOf({ op: 'u', before, after: ABSENT }, columns),
          keyed,
          null,
        ),
      );
    expect(change('null')).toEqual({ kind: 'truncate', fault: 'a change does not name its row' });
    expect(change('{"id":null,"note":"a","data":null,"tags":null}')).toMatchObject({
      after: ['1', 'a', UNCHANGED, UNCHANGED],
    });
  });

  test('a change without its row is told as a fault', () => {
    expect(told({ op: 'u' }, columns)).toMatchObject({ fault: 'a change has no row' });
  });

  test('a value that no setting explains is told as a fault', () => {
    const why = columns === null ? /may have: set binary\.handling\.mode=bytes .*schemas/ : /has changed$/;
    expect(told({ op: 'c', after: ROW.replace('AQ==', '!') }, columns)).toMatchObject({
      fault: expect.stringMatching(why),
    });
  });
});

test('a column whose values come in a lossy form is told as a fault that names the setting', () => {
  const columns = { ...COLUMNS, data: { type: 'string', name: null } };
  expect(told({ op: 'c', after: ROW }, columns)).toEqual({
    kind: 'truncate',
    fault: 'column "data": set binary.handling.mode=bytes on the Debezium connector',
  });
});

test.each([
  ['with', { ...COLUMNS, note: { type: 'string', name: null, hasDefault: true } }],
  ['without', null],
] as const)('%s schemas, a column whose nulls come as its default is told as a fault', (_title, columns) => {
  const layout = {
    ...LAYOUT,
    columns: LAYOUT.columns.map((column) => ({ ...column, hasDefault: column.name === 'note' })),
  };
  const [reader, messages] = [new EventReader(PLACEHOLDER), new MessageReader()];
  const change = (snapshot: string | null): unknown => {
    const event = tableEvent(messages.read(eventMessage({ op: 'c', after: ROW, snapshot }, columns)), []);
    return event.kind === 'row' ? shown(reader.change(event, layout, null)) : null;
  };
  const fault = expect.stringMatching(
    /^column "note": set value\.converter\.replace\.null\.with\.default=false/,
  );
  expect(change('false')).toEqual({ kind: 'truncate', fault });
  // Debezium leaves this null, and its own default is "false".
  expect(change(null)).toMatchObject({ kind: 'insert' });
  expect(change('false')).toMatchObject({ kind: 'truncate' });
});

test('the relation stays the same from message to message, until the schema is another', () => {
  const [messages, reader] = [new MessageReader(), new EventReader(PLACEHOLDER)];
  const relation = (columns: Columns): unknown => {
    const event = tableEvent(messages.read(eventMessage({ op: 'c', after: ROW }, columns)), []);
    const change = event.kind === 'row' ? reader.change(event, LAYOUT, null) : null;
    return change?.kind === 'insert' ? change.relation : null;
  };
  const first = relation(COLUMNS);
  expect(relation(COLUMNS)).toBe(first);
  expect(relation({ ...COLUMNS, more: { type: 'string', name: null } })).not.toBe(first);
});

describe('an event that is refused', () => {
  const parsed = (payload: string): unknown => tableEvent(new MessageReader().read(Buffer.from(payload)), []);

  test.each([
    ['a row without its envelope', '{"id":1}', 'ExtractNewRecordState'],
    [
      'another kind of database',
      '{"op":"c","source":{"connector":"mysql"}}',
      'something else than a Postgres',
    ],
    ['not JSON', '\u0000\u0001', 'JsonConverter'],
    [
      'no position',
      '{"op":"c","source":{"connector":"postgresql","lsn":null,"sequence":"[null,\\"1\\"]"},"transaction":{"id":"1:1","data_collection_order":1}}',
      'does not say where it was',
    ],
    [
      'no transaction',
      '{"op":"c","source":{"connector":"postgresql","lsn":1,"sequence":"[null,\\"1\\"]"},"transaction":null}',
      'provide.transaction.metadata=true',
    ],
  ])('%s', (_title, payload, reason) => {
    expect(() => parsed(payload)).toThrow(reason);
  });

  // An end that counted no changes would let those of a table go by without a word.
  test.each([
    [
      'changes that are not counted',
      '"data_collections":[{"data_collection":"public.things"}]',
      'a number is missing',
    ],
    ['no list of tables', '"data_collections":null', 'none of a Postgres connector'],
    ['no position', '"id":"1","data_collections":[]', 'none of a Postgres connector'],
    ['another status', '"status":"SOME","data_collections":[]', 'none of a Postgres connector'],
  ])('the end of a transaction with %s', (_title, more, reason) => {
    const end = `{"status":"END","id":"1:10","ts_ms":1,${more}}`;
    expect(() => transactionEnd(new MessageReader().read(Buffer.from(end)))).toThrow(reason);
  });

  test('says nothing of values', () => {
    expect(() => parsed('{"secret')).toThrow(/^a message of Kafka is not JSON: set/);
  });
});

test('rows that Debezium read, in a snapshot of its own or on demand, are no changes', () => {
  const read = (snapshot: string): unknown =>
    tableEvent(new MessageReader().read(eventMessage({ op: 'r', snapshot, after: ROW }, COLUMNS)), []);
  expect(read('first')).toEqual({ kind: 'read', at: 100n });
  expect(read('incremental')).toEqual({ kind: 'read', at: null });
});
