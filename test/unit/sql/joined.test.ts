import { expect, test } from 'vitest';
import { NO_TYPES } from '../../../src/catalog/type/held-type.ts';
import { ownTables } from '../../../src/sql/place/leaf.ts';
import { NO_GAPS } from '../../../src/sql/place/scope.ts';
import { toStatement } from '../../../src/sql/to-statement.ts';
import { planFor } from '../plan/plan-for.ts';

// How long Postgres looks for the best order of joins grows much faster than their number.

const times = (count: number, condition: string): string => Array(count).fill(condition).join(' ');

/** How many conditions on related rows a filter's statement has, and how many of them Postgres can make no join of. */
function relatedIn(where: string): { readonly all: number; readonly kept: number } {
  const { roots, params } = planFor({ query: `{ user(where: ${where}) { id } }` });
  const { text } = toStatement({
    source: 'pg2',
    roots,
    params,
    result: 'answer',
    known: NO_TYPES,
    leaves: ownTables,
    gaps: NO_GAPS,
    stringifyNumbers: false,
    watermarks: [],
  });
  const count = (what: RegExp): number => text.match(what)?.length ?? 0;
  return { all: count(/exists \(/g), kept: count(/\(\((not \()?\(?exists \(/g) };
}

test.each([
  ['few', `{_and: [${times(16, '{boss: {id: {_eq: 1}}}')}]}`, 16, 0],
  ['many', `{_and: [${times(100, '{boss: {id: {_eq: 1}}}')}]}`, 100, 84],
  ['many that must not hold', `{_and: [${times(20, '{_not: {boss: {id: {_eq: 1}}}}')}]}`, 20, 4],
  ['many that ask for others', `{_and: [${times(20, '{boss: {boss: {id: {_eq: 1}}}}')}]}`, 40, 12],
  ['many below one', `{boss: {_and: [${times(20, '{boss: {id: {_eq: 1}}}')}]}}`, 21, 1 + 4],
  ['many that are alternatives', `{_or: [${times(20, '{boss: {id: {_eq: 1}}}')}]}`, 20, 0],
])('of %s conditions on related rows Postgres makes sixteen joins at most', (_, where, all, kept) => {
  expect(relatedIn(where)).toEqual({ all, kept });
});
