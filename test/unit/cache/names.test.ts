import { expect, test } from 'vitest';
import { overlayName, relationName } from '../../../src/cache/names.ts';
import { createIndexSql, missingIndexes } from '../../../src/cache/table/ddl.ts';
import { arrayElements, arrayLiteral } from '../../../src/core/postgres/array-literal.ts';
import { quoteIdentifier } from '../../../src/core/postgres/quote-identifier.ts';

const users = { schema: 'public', name: 'users' };

test('a physical name says target, table and generation', () => {
  expect(relationName('pg2', users, 7)).toBe('pg2__public__users__g7');
  expect(overlayName('pg2', users, 7)).toBe('pg2__public__users__o7');
});

test('long names fit into 63 bytes, stay different, and are not cut inside a character', () => {
  const long = (ending: string): string =>
    relationName('ziel', { schema: 'öffentlich'.repeat(4), name: `ü${ending}`.repeat(9) }, 12);
  expect(Buffer.byteLength(long('a'))).toBeLessThanOrEqual(63);
  expect(long('a')).not.toBe(long('b'));
  expect(long('a')).toMatch(/__g12$/);
  expect(long('a')).not.toContain('�');
  expect(long('a')).toContain('ziel__öffentlichöffentlich');
});

test('identifiers are quoted whatever they hold', () => {
  expect(quoteIdentifier('we"ird')).toBe('"we""ird"');
});

test('array literals keep every text apart', () => {
  expect(arrayLiteral(['a', null, 'NULL', '', 'q"b\\', '{,}'])).toBe(
    '{"a",NULL,"NULL","","q\\"b\\\\","{,}"}',
  );
});

test('the elements of an array literal', () => {
  const texts = ['a', 'NULL', '', 'q"b\\', '{,}', ' x '];
  expect(arrayElements(arrayLiteral([...texts, null]))).toEqual(texts);
  expect(arrayElements(' [0:1]={ {sad , o\\,k}, {"", null}} ')).toEqual(['sad', 'o,k', '']);
  expect([arrayElements('{}'), arrayElements('sad'), arrayElements('')]).toEqual([[], [], []]);
});

const shapeOf = (...names: readonly string[]) => ({
  columns: ['id', ...names].map((name) => ({ name, type: 'text', oid: 25 })),
  key: ['id'],
});

test('a lookup needs an index unless one begins with its columns', () => {
  const shape = shapeOf('a', 'b', 'c');
  const lookups = [['a'], ['b', 'a'], ['b'], ['b'], ['gone'], []];
  const missing = missingIndexes(shape, { lookups, mirrored: [] }, [['a', 'b']]);
  expect(missing.map((index) => index.map(({ name }) => name))).toEqual([['b', 'id']]);
});

test("the target's own indexes are made again, with their order, unless one begins with their columns", () => {
  const shape = shapeOf('a', 'b', 'c');
  const column = (name: string, descending = false) => ({ name, descending, nullsFirst: descending });
  const mirrored = [[column('a')], [column('b'), column('c', true)], [column('gone')]];
  const missing = missingIndexes(shape, { lookups: [['b']], mirrored }, [['a']]);
  expect(missing.map((index) => createIndexSql('t', index))).toEqual([
    'create index on nearjoin."t" ("b" nulls last, "c" desc nulls first)',
  ]);
});

test('an index that finds rows by a mapping goes on with the key; one that another begins with is not made', () => {
  const column = (name: string, descending = false) => ({ name, descending, nullsFirst: descending });
  const mirrored = [
    [column('a')],
    [column('b')],
    [column('b'), column('c', true)],
    [column('c')],
    [column('id')],
  ];
  const missing = missingIndexes(shapeOf('a', 'b', 'c'), { lookups: [['a'], ['b'], ['id']], mirrored }, [
    ['id'],
  ]);
  expect(missing.map((index) => createIndexSql('t', index))).toEqual([
    'create index on nearjoin."t" ("a" nulls last, "id" nulls last)',
    'create index on nearjoin."t" ("b" nulls last, "c" desc nulls first)',
    'create index on nearjoin."t" ("c" nulls last)',
  ]);
});

test('an index of where values lie is made again, but not over what is held as text, and it finds no keys', () => {
  const shape = {
    columns: [
      { name: 'id', type: 'integer', oid: 23 },
      { name: 'place', type: 'ext.geometry(Point,4326)', oid: 1 },
      { name: 'other', type: 'text', oid: 1 },
    ],
    key: ['id'],
  };
  const index = (name: string, spatial = true) => [
    { name, descending: false, nullsFirst: false, ...(spatial ? { spatial } : {}) } as const,
  ];
  const mirrored = [index('place'), index('place', false), index('other')];
  const missing = missingIndexes(shape, { lookups: [], mirrored }, []);
  expect(missing.map((each) => createIndexSql('t', each))).toEqual([
    'create index on nearjoin."t" using gist ("place")',
    'create index on nearjoin."t" ("place" nulls last)',
  ]);
  const alone = missingIndexes(shape, { lookups: [['place']], mirrored: [index('place')] }, []);
  expect(alone.map((each) => createIndexSql('t', each))).toEqual([
    'create index on nearjoin."t" using gist ("place")',
    'create index on nearjoin."t" ("place" nulls last, "id" nulls last)',
  ]);
  expect(missingIndexes(shape, { lookups: [], mirrored: [index('place')] }, [['place']])).toEqual([]);
});
