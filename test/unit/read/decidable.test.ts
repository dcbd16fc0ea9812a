import { expect, test } from 'vitest';
import type { Column } from '../../../src/catalog/catalog.ts';
import type { Join, OrderItem, Predicate, Select } from '../../../src/plan/plan.ts';
import { TRUE } from '../../../src/plan/predicates.ts';
import { isDecidableAt, ordersAlike } from '../../../src/read/live/decidable.ts';
import { cutsBeforeComputing } from '../../../src/read/live/lookup.ts';
import { typeOf } from '../../support/catalog.ts';
import { columnOfType, compared, computedColumn, paired, placeAt } from '../../support/conditions.ts';

// A target decides, orders and cuts only what it would not decide, order or cut in another way than the source.

const INTEGER = columnOfType('integer');
const TEXT = columnOfType('text');
const LOOSE = columnOfType('text', { loose: true });

function join(left: Column, right: Column): Join {
  return { name: 'related', on: [{ left, right }], unique: false, indexed: true };
}

function exists(left: Column, right: Column, to = placeAt(2)): Predicate {
  return { kind: 'exists', join: join(left, right), to, where: TRUE };
}

function counted(left: Column, column: Column, distinct: boolean): Predicate {
  const test = { kind: 'is-null', negated: false } as const;
  const what = { function: 'count', columns: [column], distinct, test } as const;
  return { kind: 'exists-aggregate', join: join(left, left), to: placeAt(2), where: TRUE, ...what };
}

test.each<[what: string, condition: Predicate, decidable: boolean]>([
  ['texts that are equal', compared(TEXT), true],
  ['texts by their order', compared(TEXT, 'gt'), false],
  ['JSON as a text that is equal', compared(columnOfType('jsonb'), 'eq', typeOf('text')), true],
  ['JSON as a text by its order', compared(columnOfType('jsonb'), 'gt', typeOf('text')), false],
  ['unlike texts that only one database takes for equal', compared(LOOSE), false],
  ['two columns of one row', paired(INTEGER, INTEGER), true],
  ['a column of a row that is not there', paired(INTEGER, INTEGER, 7), false],
  ['a column and a loose one', paired(TEXT, LOOSE), false],
  [
    'characters that are longer elsewhere',
    compared(columnOfType('text', { ownLocale: 'characters' }), 'like'),
    false,
  ],
  [
    'letters that are none elsewhere',
    compared(columnOfType('text', { ownLocale: 'letters' }), 'ilike'),
    false,
  ],
  ['characters of other letters', compared(columnOfType('text', { ownLocale: 'letters' }), 'like'), true],
  ['related rows', exists(INTEGER, INTEGER), true],
  ['related rows elsewhere', exists(INTEGER, INTEGER, placeAt(2, 'a')), false],
  ['rows related by a loose key', exists(LOOSE, TEXT), false],
  ['rows related to a loose key', exists(TEXT, LOOSE), false],
  ['a number of rows', counted(INTEGER, INTEGER, true), true],
  ['a number of rows related by a loose key', counted(LOOSE, INTEGER, false), false],
  ['a number of loose values', counted(INTEGER, LOOSE, false), true],
  ['a number of different loose values', counted(INTEGER, LOOSE, true), false],
])('whether a database may decide a condition alone: %s', (_, condition, decidable) => {
  expect(isDecidableAt(condition, 'b', placeAt(1))).toBe(decidable);
});

function by(column: Column, onlyIf: Predicate | null = null): OrderItem {
  return { path: [], by: { kind: 'column', column, onlyIf }, direction: 'asc', nulls: 'last' };
}

test.each<[what: string, item: OrderItem, alike: boolean]>([
  ['a number', by(INTEGER), true],
  ['a text', by(TEXT), false],
  ['texts within JSON', by(columnOfType('jsonb')), false],
  ['a list', by(columnOfType('integer[]')), false],
  [
    'a type of the database’s own',
    by(columnOfType('mood', { type: { ...typeOf('mood'), schema: 'public' } })),
    false,
  ],
  ['a cell that some rows hide', by(INTEGER, compared(TEXT, 'gt')), false],
  [
    'a cell of another row',
    { ...by(INTEGER), path: [{ join: join(INTEGER, INTEGER), to: placeAt(2), where: TRUE }] },
    false,
  ],
])('whether two databases order rows alike: by %s', (_, item, alike) => {
  expect(ordersAlike([by(INTEGER), item])).toBe(alike);
});

const COMPUTED = computedColumn(false);
const CUT: Select = {
  from: { ...placeAt(1), columns: [INTEGER, COMPUTED] },
  limit: 2,
  offset: null,
  distinctOn: [],
  fields: [],
  where: TRUE,
  orderBy: [by(INTEGER)],
};

test.each<[what: string, over: Partial<Select>, before: boolean]>([
  ['the first rows', {}, true],
  ['all rows', { limit: null }, false],
  ['rows behind the first', { offset: { kind: 'param', index: 0 } }, false],
  ['rows that differ', { distinctOn: [{ column: INTEGER, onlyIf: null }] }, false],
  ['rows of which nothing is computed', { from: placeAt(1) }, false],
  [
    'rows of which some hide a cell',
    { from: { ...CUT.from, guarded: [{ column: COMPUTED, onlyIf: TRUE }] } },
    false,
  ],
  ['rows by what is computed of them', { orderBy: [by(COMPUTED)] }, false],
  ['rows by a cell that some hide', { orderBy: [by(INTEGER, TRUE)] }, false],
])('whether rows are cut before anything is computed of them: %s', (_, over, before) => {
  expect(cutsBeforeComputing({ ...CUT, ...over })).toBe(before);
});
