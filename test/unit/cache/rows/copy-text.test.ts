import { expect, test } from 'vitest';
import { copyData } from '../../../../src/cache/rows/copy-text.ts';
import { type Cell, type CellSink, type Row, rowOf } from '../../../../src/core/rows/row.ts';

/** The text inside the CopyData messages; every message must be whole. */
function textOf(rows: readonly (readonly Cell[])[], positions: readonly number[]): string {
  const parts: Buffer[] = [];
  for (const message of copyData(rows.map(rowOf), positions)) {
    expect(message[0]).toBe(0x64);
    expect(message.readUInt32BE(1)).toBe(message.length - 1);
    parts.push(message.subarray(5));
  }
  return Buffer.concat(parts).toString();
}

test('null and the text that looks like it are two things', () => {
  expect(textOf([[null, '\\N', '']], [0, 1, 2])).toBe('\\N\t\\\\N\t\n');
});

test('what COPY would take for its own is escaped, all else passes', () => {
  expect(textOf([['a\tb\nc\rd\\e\u0001\b', '{"ü":"😀"}']], [0, 1])).toBe(
    'a\\tb\\nc\\rd\\\\e\u0001\b\t{"ü":"😀"}\n',
  );
  expect(textOf([['\\.']], [0])).toBe('\\\\.\n');
});

/** A row of one cell that is at hand as bytes. */
function rowOfBytes(bytes: Buffer): Row {
  return { ...rowOf([null]), give: (_at: number, sink: CellSink) => sink.bytes(bytes, 0, bytes.length) };
}

test('every byte is escaped or not wherever it stands among others', () => {
  const escapes = new Map(
    ['\\\\', '\tt', '\nn', '\rr'].map(([byte = '', letter]) => [byte.charCodeAt(0), `\\${letter}`]),
  );
  for (let byte = 0; byte < 256; byte += 1) {
    const texts = Array.from(
      { length: 9 },
      (_, at) => [Buffer.alloc(at, 'x'), Buffer.alloc(8 - at, 0xff)] as const,
    );
    const rows = texts.map(([before, after]) =>
      rowOfBytes(Buffer.concat([before, Buffer.from([byte]), after])),
    );
    const written = Buffer.concat([...copyData(rows, [0])].map((message) => message.subarray(5)));
    const escaped = Buffer.from(escapes.get(byte) ?? [byte]);
    const expected = texts.map(([before, after]) =>
      Buffer.concat([before, escaped, after, Buffer.from('\n')]),
    );
    expect(written).toEqual(Buffer.concat(expected));
  }
});

test('a huge value is taken up block by block: what is in memory already is not put there twice', () => {
  const bytes = Buffer.alloc(2 << 20, 'a');
  const messages = copyData([rowOfBytes(bytes)], [0]);
  expect(messages.next().value?.length).toBeLessThan(1 << 19);
  bytes.fill('b', 1 << 20);
  const rest = Buffer.concat([...messages].map((message) => message.subarray(5))).toString();
  expect(rest).toMatch(/^a*b{1048576}\n$/);
});

test('only the cells at the positions are given, in their order', () => {
  expect(textOf([['a', 'b', 'c']], [2, 0])).toBe('c\ta\n');
  expect(textOf([], [0])).toBe('');
});

test.each([262_138, 262_139, 262_140, 131_069, 131_070, 700_000])(
  'a value of %i backslashes crosses the borders of messages unharmed',
  (length) => {
    const value = '\\'.repeat(length);
    expect(
      textOf(
        [
          ['x', value],
          [value, 'y'],
        ],
        [0, 1],
      ),
    ).toBe(`x\t${value}${value}\n${value}${value}\ty\n`);
  },
);
