import { expect, test } from 'vitest';
import { codeParts } from '../../../../src/metadata/object/query-code.ts';

test('semicolons and white space at the end of a query are cut off, and nowhere else', () => {
  expect(codeParts(' select 1;\n ; \t')).toEqual([{ text: ' select 1' }]);
  expect(codeParts("select ';  '  {{a}} ; ")).toEqual([
    { text: "select ';  '  " },
    { argument: 'a' },
    { text: '' },
  ]);
});

test('however long a run of white space inside a query is, it is read once', () => {
  // Read anew from each of its characters it would take minutes.
  const code = `select${' '.repeat(500_000)}1`;
  expect(codeParts(code)).toEqual([{ text: code }]);
});
