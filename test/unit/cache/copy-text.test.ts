import { expect, test } from 'vitest';
import { copyData } from '../../../src/cache/copy-text.ts';
import { type Cell, type CellSink, rowOf } from '../../../src/core/row.ts';

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

test('a huge value is taken up block by block: what is in memory already is not put there twice', () => {
  const bytes = Buffer.alloc(2 << 20, 'a');
  const huge = {
    ...rowOf([null]),
    give: (_at: number, sink: CellSink) => sink.bytes(bytes, 0, bytes.length),
  };
  const messages = copyData([huge], [0]);
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
