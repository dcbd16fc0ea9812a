import { expect, test } from 'vitest';
import { screenOf } from '../../../src/cli/terminal.ts';

const ten = Array.from({ length: 10 }, (_, at) => `line ${at}`);

test('a text that fits is drawn over the one before', () => {
  expect(screenOf(ten.join('\n'), { rows: 11, columns: 80 })).toBe(
    `\u001b[H${ten.map((line) => `${line}\u001b[K`).join('\n')}\n\u001b[J`,
  );
});

test.each([
  ['lines', 6, 80],
  ['wide lines', 10, 4],
])('what does not fit of %s is left out, and said to be', (_what, rows, columns) => {
  const drawn = screenOf(ten.join('\n'), { rows, columns }).split('\n');
  expect(drawn.slice(0, 4)).toEqual([
    '\u001b[Hline 0\u001b[K',
    ...ten.slice(1, 4).map((l) => `${l}\u001b[K`),
  ]);
  expect(drawn[4]).toBe('… and 6 lines more, which need a taller terminal or no --watch\u001b[K');
  expect(drawn).toHaveLength(6);
});
