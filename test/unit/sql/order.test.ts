import { expect, test } from 'vitest';
import { NO_TYPES } from '../../../src/catalog/type/held-type.ts';
import { NO_GAPS } from '../../../src/sql/place/scope.ts';
import { toStatement } from '../../../src/sql/to-statement.ts';
import { catalogOf } from '../../support/catalog.ts';
import { planFor } from '../plan/plan-for.ts';

// Rows that are equal in what they are ordered by come in any order, and in another one by each route.

const CATALOG = catalogOf(
  {
    pg1: {
      tables: {
        note: {
          columns: { id: 'integer!', writer: 'integer', text: 'text' },
          primaryKey: ['id'],
          relationships: { by: { kind: 'object', table: 'person', source: 'pg2', on: { writer: 'id' } } },
          permissions: {
            anybody: { columns: ['id'], filter: {} },
            friend: { columns: ['text'], filter: { by: { kind: { _eq: 'friend' } } } },
          },
        },
      },
    },
    pg2: {
      tables: { person: { columns: { id: 'integer!', kind: 'text' }, primaryKey: ['id'], permissions: {} } },
    },
  },
  { inheritedRoles: new Map([['both', ['anybody', 'friend']]]) },
);

test.each(['order_by: {text: asc}', 'distinct_on: text'])(
  'where a row of another database decides what of %s is seen, the key comes last',
  (by) => {
    const { roots, params } = planFor({ query: `{ note(${by}) { id } }`, role: 'both', catalog: CATALOG });
    const columns = [
      { name: 'id', type: 'integer' },
      { name: 'kind', type: 'text' },
    ];
    const { text } = toStatement({
      source: 'pg1',
      roots,
      params,
      result: 'answer',
      known: NO_TYPES,
      leaves: ({ source }) =>
        source === 'pg1' ? { kind: 'table' } : { kind: 'cache', relation: 'person', columns },
      gaps: NO_GAPS,
      stringifyNumbers: false,
      watermarks: [],
    });
    expect(text).toMatch(/order by \(case .* end\), t1\."id"/);
  },
);
