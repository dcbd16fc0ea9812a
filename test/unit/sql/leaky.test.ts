import { expect, test } from 'vitest';
import type { Column } from '../../../src/catalog/catalog.ts';
import type { Predicate } from '../../../src/plan/plan.ts';
import { TRUE } from '../../../src/plan/predicates.ts';
import { isLeaky } from '../../../src/sql/condition/leaky.ts';
import { typeOf } from '../../support/catalog.ts';
import { columnOfType, compared, computedColumn, paired, placeAt } from '../../support/conditions.ts';

// What may fail in one row and not in another has to wait for what hides rows: its error would tell of them.

const FAILING = computedColumn(false);
const own = (type: string): Column['type'] => ({ ...typeOf(type), schema: 'public' });
const list = (element: Column['type']): Column =>
  columnOfType('integer[]', { type: { ...typeOf('integer[]'), schema: element.schema, element } });

const JOIN = { name: 'related', on: [], unique: false, indexed: true };

function aggregated(name: 'count' | 'sum', where: Predicate): Predicate {
  const test = { kind: 'is-null', negated: false } as const;
  return {
    kind: 'exists-aggregate',
    join: JOIN,
    to: placeAt(2),
    where,
    function: name,
    columns: [],
    distinct: false,
    test,
  };
}

test.each<[what: string, condition: Predicate, leaky: boolean]>([
  ['a number', compared(columnOfType('integer')), false],
  ['a path into JSON', compared(columnOfType('jsonb'), 'jsonb_path_match'), true],
  ['a size that may overflow', compared(columnOfType('box')), true],
  [
    'a row within a row',
    compared(columnOfType('integer', { type: { ...own('pair'), kind: 'composite' } })),
    true,
  ],
  ['what is computed', compared(FAILING), true],
  ['what is computed and cannot fail', compared(computedColumn(true)), false],
  ['whether something computed is null', { kind: 'is-null', column: FAILING, negated: false }, true],
  ['whether a column is null', { kind: 'is-null', column: columnOfType('integer'), negated: false }, false],
  [
    'a pattern under a collation that takes none',
    compared(columnOfType('text', { loose: true }), 'like'),
    true,
  ],
  ['a text under such a collation', compared(columnOfType('text', { loose: true })), false],
  ['a cast to a type of an extension', compared(columnOfType('text'), 'eq', own('shape')), true],
  ['a cast to a type of Postgres', compared(columnOfType('box'), 'eq', typeOf('text')), false],
  ['a list of numbers', compared(columnOfType('integer[]')), false],
  ['a list of what has no equality', compared(columnOfType('json[]')), true],
  ['a list of what has no order', compared(list({ ...typeOf('integer'), unordered: true })), true],
  ['a list of an extension’s values', compared(list(own('tag'))), false],
  ['a list of an extension’s values among several', compared(list(own('tag')), 'in'), true],
  ['a list of labels among several', compared(list({ ...own('mood'), kind: 'enum' }), 'in'), false],
  ['two numbers', paired(columnOfType('integer'), columnOfType('bigint')), false],
  [
    'a number that may be too large for the other',
    paired(columnOfType('numeric'), columnOfType('double precision')),
    true,
  ],
  ['a column and something computed', paired(FAILING, columnOfType('integer')), true],
  ['two sizes', paired(columnOfType('box'), columnOfType('box')), true],
  ['a count', aggregated('count', TRUE), false],
  ['a count of what a leaky condition finds', aggregated('count', compared(FAILING)), true],
  ['a sum, which may overflow', aggregated('sum', TRUE), true],
  ['rows of another table', { kind: 'exists-table', to: placeAt(2), where: TRUE }, false],
  [
    'rows found by a leaky condition',
    { kind: 'exists', join: JOIN, to: placeAt(2), where: compared(FAILING) },
    true,
  ],
  ['a leaky condition deep inside', { kind: 'not', of: { kind: 'or', of: [TRUE, compared(FAILING)] } }, true],
])('whether a condition may fail in some rows only: %s', (_, condition, leaky) => {
  expect(isLeaky(condition)).toBe(leaky);
});
