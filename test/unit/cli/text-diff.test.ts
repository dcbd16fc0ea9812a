import { expect, test } from 'vitest';
import { diffLines } from '../../../src/cli/text-diff.ts';

test('equal texts have no differences', () => {
  expect(diffLines('a\nb', 'a\nb')).toEqual([]);
});

test('changed lines are shown with three lines around them, gaps as dots', () => {
  const before = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'].join('\n');
  const after = ['A', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'].join('\n');
  expect(diffLines(before, after)).toEqual([
    '- a',
    '+ A',
    '  b',
    '  c',
    '  d',
    '  …',
    '  i',
    '  j',
    '  k',
    '+ l',
  ]);
});

test('a moved line is removed in one place and added in the other', () => {
  expect(diffLines('x\na\nb', 'a\nb\nx')).toEqual(['- x', '  a', '  b', '+ x']);
});
