import { expect, test } from 'vitest';
import { copyIntoSql } from '../../../../src/replicate/copy/format.ts';

const INT = { name: 'id', type: 'integer', oid: 23 };
const into = (column: { name: string; type: string; oid: number }): string =>
  copyIntoSql(
    { table: { schema: 'public', name: 't' }, relation: 'r', columns: [INT, column] },
    { isFrozen: true },
  );

test('rows are copied in binary only when every column has one form on all servers', () => {
  expect(into({ name: 'tags', type: 'text[]', oid: 1009 })).toBe(
    'copy nearjoin."r" ("id", "tags") from stdin (format binary, freeze)',
  );
  // A domain or enum has a number of its own; an infinite interval is a long one to an older server.
  expect(into({ name: 'mood', type: 'text', oid: 16_400 })).toContain('(format text, freeze)');
  expect(into({ name: 'span', type: 'interval', oid: 1186 })).toContain('(format text, freeze)');
});
