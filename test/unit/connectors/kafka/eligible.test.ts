import { expect, test } from 'vitest';
import type { Publishable } from '../../../../connectors/connector.ts';
import { eligible, topicOf } from '../../../../connectors/kafka/eligible.ts';
import type { Captured } from '../../../../connectors/kafka/layout.ts';

const table = { schema: 'public', name: 'user' };
const judged: Publishable = {
  kind: 'yes',
  table,
  key: ['id'],
  columns: ['id', 'name', 'tags'],
  shape: {
    publication: '1',
    relation: 5,
    columns: {},
    written: {},
    isPartitioned: false,
    files: {},
    labels: {},
    composites: {},
  },
  indexes: [],
};
const found: Captured['tables'][number] = {
  isPublished: true,
  isPartitioned: false,
  oid: 5,
  columns: [
    { name: 'id', typeOid: 20, typeModifier: -1, kind: 'integer' },
    { name: 'name', typeOid: 25, typeModifier: -1, kind: 'text' },
    { name: 'tags', typeOid: 1009, typeModifier: -1, kind: null },
    { name: 'shout', typeOid: 25, typeModifier: -1, kind: 'text' },
  ],
};
const captured: Captured = {
  publication: 'dbz',
  exists: true,
  isWhole: true,
  isViaRoot: false,
  tables: [found],
};

function judge(changes: Partial<Captured>, of: Publishable = judged): Publishable | undefined {
  return eligible([of], { ...captured, ...changes }).judged[0];
}

test('columns that Debezium loses, and those that are not sent, are left out', () => {
  const { judged: again, layouts } = eligible([judged], captured);
  expect(again).toEqual([{ ...judged, columns: ['id', 'name'] }]);
  const [layout] = [...layouts.values()];
  expect(layout?.columns.map(({ name, isKey }) => [name, isKey])).toEqual([
    ['id', true],
    ['name', false],
  ]);
});

test.each<[string, Partial<Captured>, Publishable | undefined, string]>([
  ['is not published', { tables: [{ ...found, isPublished: false }] }, judged, 'not in the publication dbz'],
  [
    'is told of by its partitions',
    { tables: [{ ...found, isPartitioned: true }] },
    judged,
    'of its partitions',
  ],
  ['has a name with a point', {}, { ...judged, table: { schema: 'a.b', name: 'c' } }, 'points or quotes'],
  ['has a key that Debezium loses', {}, { ...judged, key: ['tags'] }, 'its key column tags'],
])('a table that %s is refused', (_title, changes, of, reason) => {
  const refused = judge(changes, of);
  expect(refused?.kind).toBe('no');
  expect(refused?.kind === 'no' && refused.reason).toContain(reason);
});

test('what the slot could not follow either stays refused', () => {
  const no: Publishable = { kind: 'no', table, reason: 'it is a view', fix: null };
  expect(judge({}, no)).toEqual(no);
});

test.each([
  ['no publication', { exists: false }, 'no publication dbz'],
  ['a publication that leaves changes out', { isWhole: false }, 'leaves changes out'],
])('%s fits no table', (_title, changes, reason) => {
  expect(() => judge(changes)).toThrow(reason);
});

test('topics are named as Debezium names them', () => {
  expect(topicOf('shop', 'public.user')).toBe('shop.public.user');
  expect(topicOf('shop', 'public.Größe')).toBe('shop.public.Gr__e');
});
