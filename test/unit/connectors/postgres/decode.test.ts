import { describe, expect, test } from 'vitest';
import { ConnectorError } from '../../../../connectors/connector.ts';
import { PgoutputDecoder } from '../../../../connectors/postgres/stream/decode.ts';
import type { Change, FeedItem } from '../../../../src/core/rows/change.ts';
import { type Row, UNCHANGED } from '../../../../src/core/rows/row.ts';
import { cellsOf } from '../../../support/cells-of.ts';
import { MessageBytes, relationMessage } from '../../../support/pgoutput.ts';

const T = relationMessage(7, 't', ['*id', 'v', 'w']);

function decodeAll(decoder: PgoutputDecoder, ...messages: readonly Buffer[]): FeedItem[] {
  const items: FeedItem[] = [];
  for (const message of messages) {
    // In the middle of other bytes, as on the socket.
    const among = Buffer.concat([Buffer.from('before'), message, Buffer.from('after')]);
    decoder.decode(among, 6, items);
  }
  return items;
}

function insert(...cells: readonly (string | null | undefined)[]): Buffer {
  return new MessageBytes('I').int32(7).tag('N').row(cells).build();
}

/** The item with its rows as lists of cells. */
function plain(item: FeedItem): unknown {
  const cells = (row: Row | null): unknown => (row === null ? null : cellsOf(row));
  return {
    ...item,
    ...('after' in item ? { after: cells(item.after) } : {}),
    ...('before' in item ? { before: cells(item.before) } : {}),
  };
}

function relationOf(item: FeedItem | undefined): unknown {
  const change = item as Change;
  return change.kind === 'truncate' ? null : change.relation;
}

describe('the decoder', () => {
  test('reads a whole transaction', () => {
    const decoder = new PgoutputDecoder();
    const begin = new MessageBytes('B').int64(9n).int64(0n).int32(-2).build();
    const commit = new MessageBytes('C')
      .int8(0)
      .int64(0x1_0000_0001n)
      .int64(0xffff_ffff_0000_0002n)
      .int64(817_000_000_000_001n)
      .build();
    const items = decodeAll(decoder, begin, T, insert('1', null, ''));
    expect(decoder.inTransaction).toBe(true);
    items.push(...decodeAll(decoder, commit));
    expect(decoder.inTransaction).toBe(false);
    expect(decoder.lastCommit).toBe(0xffff_ffff_0000_0002n);
    expect(items.map(plain)).toEqual([
      { kind: 'begin', xid: 4294967294, commit: 9n },
      {
        kind: 'insert',
        after: ['1', null, ''],
        relation: {
          oid: 7,
          table: { schema: 'public', name: 't' },
          replicaIdentity: 'd',
          columns: [
            { name: 'id', typeOid: 25, typeModifier: -1, isKey: true },
            { name: 'v', typeOid: 25, typeModifier: -1, isKey: false },
            { name: 'w', typeOid: 25, typeModifier: -1, isKey: false },
          ],
        },
      },
      { kind: 'commit', end: 0xffff_ffff_0000_0002n, time: 817_000_000_000_001 },
    ]);
  });

  test('fills an unchanged value from a whole old row only, and never with a null that was not sent', () => {
    const whole = new MessageBytes('U').int32(7).tag('O').row(['1', 'old', null]);
    const more = new MessageBytes('U').int32(7).tag('O').row(['1', 'old', 'old']);
    const key = new MessageBytes('U').int32(7).tag('K').row(['1', null, null]);
    const items = decodeAll(
      new PgoutputDecoder(),
      T,
      whole.tag('N').row(['1', undefined, undefined]).build(),
      more.tag('N').row(['1', undefined, 'new']).build(),
      key.tag('N').row(['2', undefined, 'x']).build(),
    );
    expect(items.map(plain)).toMatchObject([
      { kind: 'update', before: ['1', 'old', null], after: ['1', 'old', UNCHANGED] },
      { kind: 'update', before: ['1', 'old', 'old'], after: ['1', 'old', 'new'] },
      { kind: 'update', before: ['1', null, null], after: ['2', UNCHANGED, 'x'] },
    ]);
  });

  test('the cells of a row are found in any order', () => {
    const [item] = decodeAll(new PgoutputDecoder(), T, insert(null, 'two', undefined));
    const row = (item as Change & { kind: 'insert' }).after;
    const orders = [0, 1, 2].flatMap((a) => [0, 1, 2].flatMap((b) => [0, 1, 2].map((c) => [a, b, c])));
    const cells = [null, 'two', UNCHANGED];
    for (const order of orders) expect(order.map((at) => row.cell(at))).toEqual(order.map((at) => cells[at]));
    expect(() => row.cell(3)).toThrow('outside its row');
    expect(row.cell(1)).toBe('two');
  });

  test('the same shape stays the same object, another shape is another', () => {
    const items = decodeAll(
      new PgoutputDecoder(),
      T,
      insert('1', null, null),
      T,
      insert('2', null, null),
      relationMessage(7, 'renamed', ['*id', 'v', 'w']),
      insert('3', null, null),
    );
    expect(relationOf(items[1])).toBe(relationOf(items[0]));
    expect(relationOf(items[2])).toMatchObject({ table: { name: 'renamed' } });
  });

  test('the first change after a partition is described names it', () => {
    const partition = relationMessage(8, 't_1', ['*id', 'v', 'w']);
    const row = insert('1', null, null);
    const truncate = new MessageBytes('T').int32(1).int8(0).int32(7).build();
    const items = decodeAll(
      new PgoutputDecoder(),
      T,
      partition,
      row,
      row,
      T,
      row,
      T,
      partition,
      truncate,
      row,
    );
    const partitions = items.map((item) =>
      item.kind === 'insert' ? (item.relation.partition?.oid ?? null) : 0,
    );
    expect(partitions).toEqual([8, null, null, 0, null]);
  });

  test('reads transactions that go on in parts, one for each run of changes of a subtransaction', () => {
    const decoder = new PgoutputDecoder();
    const start = (xid: number): Buffer => new MessageBytes('S').int32(xid).int8(1).build();
    const stop = new MessageBytes('E').build();
    const within = (xid: number, message: Buffer): Buffer =>
      Buffer.concat([
        message.subarray(0, 1),
        new MessageBytes('x').int32(xid).build().subarray(1),
        message.subarray(1),
      ]);
    const items = decodeAll(
      decoder,
      start(50),
      new MessageBytes('O').int64(1n).name('origin').build(),
      within(50, T),
      within(50, insert('1', null, '')),
      within(50, insert('2', null, '')),
      within(51, insert('3', null, '')),
    );
    // What was handed on already is not added to.
    items.push(...decodeAll(decoder, within(51, insert('3b', null, ''))));
    expect(decoder.inTransaction).toBe(true);
    items.push(
      ...decodeAll(decoder, stop, start(60), within(60, T), within(60, insert('4', 'x', 'y')), stop),
    );
    expect(decoder.inTransaction).toBe(false);
    const ended = new MessageBytes('c').int32(50).int8(0).int64(7n).int64(9n).int64(11n).build();
    const abort = (subxid: number): Buffer => new MessageBytes('A').int32(60).int32(subxid).build();
    items.push(...decodeAll(decoder, abort(61), abort(60), ended));
    const parts = items.map((item) =>
      item.kind === 'early-part' ? [item.xid, item.subxid, item.changes.map((each) => plain(each))] : item,
    );
    expect(parts).toMatchObject([
      [50, 50, [{ after: ['1', null, ''] }, { after: ['2', null, ''] }]],
      [50, 51, [{ after: ['3', null, ''] }]],
      [50, 51, [{ after: ['3b', null, ''] }]],
      [60, 60, [{ kind: 'insert', after: ['4', 'x', 'y'] }]],
      { kind: 'early-abort', xid: 60, subxid: 61 },
      { kind: 'early-abort', xid: 60, subxid: 60 },
      { kind: 'early-commit', xid: 50, commit: 7n, end: 9n, time: 11 },
    ]);
    expect(decoder.lastCommit).toBe(9n);
  });

  test('what a transaction that goes on says of a table holds for others when it has committed', () => {
    const decoder = new PgoutputDecoder();
    const start = new MessageBytes('S').int32(50).int8(1).build();
    const stop = new MessageBytes('E').build();
    const other = relationMessage(7, 'renamed', ['*id', 'v', 'w']);
    const within = Buffer.concat([other.subarray(0, 1), Buffer.from([0, 0, 0, 50]), other.subarray(1)]);
    const commit = new MessageBytes('c').int32(50).int8(0).int64(7n).int64(9n).int64(11n).build();
    const one = insert('1', null, null);
    const items = decodeAll(decoder, T, start, within, stop, one, commit, one);
    expect(items.map((item) => (item.kind === 'insert' ? item.relation.table.name : item.kind))).toEqual([
      't',
      'early-commit',
      'renamed',
    ]);
  });

  test('passes over origins, types and logical messages', () => {
    const items = decodeAll(
      new PgoutputDecoder(),
      new MessageBytes('O').int64(1n).name('origin').build(),
      new MessageBytes('Y').int32(1).name('public').name('mood').build(),
      new MessageBytes('M').int8(1).int64(1n).name('prefix').int32(0).build(),
    );
    expect(items).toEqual([]);
  });

  test('the catalog schema is named though the stream leaves it out', () => {
    const message = new MessageBytes('R').int32(9).name('').name('x').tag('f').int16(0).build();
    const truncate = new MessageBytes('T').int32(1).int8(0).int32(9).build();
    expect(decodeAll(new PgoutputDecoder(), message, truncate)).toEqual([
      {
        kind: 'truncate',
        relations: [
          { oid: 9, table: { schema: 'pg_catalog', name: 'x' }, replicaIdentity: 'f', columns: [] },
        ],
      },
    ]);
  });

  const broken: readonly (readonly [string, Buffer])[] = [
    ['a message of an unknown kind', new MessageBytes('Q').int32(1).build()],
    ['a change of an unknown relation', new MessageBytes('I').int32(99).tag('N').row([]).build()],
    ['a row of another width', insert('1')],
    ['a row with a cell too many', insert('1', null, null, null)],
    [
      'an update without its new row',
      new MessageBytes('U').int32(7).tag('K').row(['1', null, null]).tag('X').row(['1', null, null]).build(),
    ],
    ['a cell of an unknown kind', new MessageBytes('I').int32(7).tag('N').int16(3).tag('b').int32(0).build()],
    ['an insert without a row', new MessageBytes('I').int32(7).tag('X').row([]).build()],
    ['a delete without a key', new MessageBytes('D').int32(7).tag('N').row(['1', null, null]).build()],
  ];

  test('a part of one transaction inside another is an error', () => {
    const begin = new MessageBytes('B').int64(9n).int64(0n).int32(2).build();
    const start = new MessageBytes('S').int32(50).int8(1).build();
    expect(() => decodeAll(new PgoutputDecoder(), begin, start)).toThrow(ConnectorError);
  });

  test.each(broken)('%s is an error, never skipped', (_, message) => {
    expect(() => decodeAll(new PgoutputDecoder(), T, message)).toThrow(ConnectorError);
  });
});
