import { expect, test } from 'vitest';
import { gapsOf } from '../../../src/read/live/find-gaps.ts';
import { placeOf } from '../../../src/sql/shape/gap.ts';
import { catalogOf } from '../../support/catalog.ts';
import { planFor } from '../plan/plan-for.ts';

const TO_ORDERS = { kind: 'array', table: 'orders', source: 'a' } as const;

/** Orders in one database, their people in a second, the people's towns in a third. */
const CATALOG = catalogOf(
  {
    a: {
      tables: {
        orders: {
          columns: { id: 'integer!', person_id: 'integer', code: 'text' },
          primaryKey: ['id'],
          permissions: { clerk: {}, scribe: {}, reader: {}, owner: {} },
          relationships: {
            person: { kind: 'object', table: 'people', source: 'b', on: { person_id: 'id' } },
            by_ratio: { kind: 'object', table: 'people', source: 'b', on: { id: 'ratio' } },
            notes: { kind: 'array', table: 'notes', source: 'b', on: { id: 'order_id' } },
            scanned: { kind: 'array', table: 'notes', source: 'b', on: { id: 'order_id' }, indexed: false },
            lines: { kind: 'array', table: 'lines', on: { id: 'order_id' } },
          },
        },
        lines: {
          columns: { id: 'integer!', order_id: 'integer!' },
          primaryKey: ['id'],
          relationships: { notes: { kind: 'array', table: 'notes', source: 'b', on: { id: 'order_id' } } },
        },
      },
    },
    b: {
      tables: {
        people: {
          columns: {
            id: 'integer!',
            name: 'text',
            born: 'integer',
            ratio: 'double precision',
            town_id: 'integer',
          },
          primaryKey: ['id'],
          relationships: {
            notes: { kind: 'array', table: 'notes', on: { id: 'author_id' } },
            town: { kind: 'object', table: 'towns', source: 'c', on: { town_id: 'id' } },
            orders: { ...TO_ORDERS, on: { id: 'person_id' } },
          },
          permissions: {
            clerk: { filter: { born: { _gt: 1900 } } },
            scribe: { filter: { name: { _gt: 'm' } } },
          },
        },
        notes: {
          columns: {
            id: 'integer!',
            order_id: 'integer',
            author_id: 'integer',
            stars: 'integer',
            body: 'text',
          },
          primaryKey: ['id'],
          relationships: { author: { kind: 'object', table: 'people', on: { author_id: 'id' } } },
          permissions: {
            reader: { columns: ['id', 'order_id'], allowAggregations: true },
            owner: { filter: { body: { _gt: 'm' } }, allowAggregations: true },
          },
        },
      },
    },
    c: { tables: { towns: { columns: { id: 'integer!', name: 'text' }, primaryKey: ['id'] } } },
  },
  { inheritedRoles: new Map([['editor', ['reader', 'owner']]]) },
);

/** The tables whose targets are handed a subtree; null when something must be fetched first. */
function handedOver(query: string, role = 'admin', live: readonly string[] = ['b', 'c']): unknown {
  const { roots } = planFor({ query, role, catalog: CATALOG });
  const gaps = gapsOf(roots, (place) => live.includes(place.source));
  return gaps?.map(({ field, left }) => `${left.ref.name}.${placeOf(field).ref.name}`) ?? null;
}

test.each([
  ['an object', '{ orders { person { id name } } }', ['orders.people']],
  ['a list in key order', '{ orders { notes { body } } }', ['orders.notes']],
  [
    'the newest of each, with what else is there',
    '{ orders { notes(order_by: {stars: desc}, limit: 2) { author { name notes { id } } } } }',
    ['orders.notes'],
  ],
  [
    'a list below a local one',
    '{ orders { lines { notes { id } } person { id } } }',
    ['lines.notes', 'orders.people'],
  ],
  [
    'an aggregate',
    '{ orders { notes_aggregate { aggregate { count max { stars } } nodes { body } } } }',
    ['orders.notes'],
  ],
  ['nodes of an aggregate', '{ orders_aggregate { nodes { person { name } } } }', ['orders.people']],
  [
    'a filter that the target decides',
    '{ orders { notes(where: {body: {_eq: "a"}, author: {born: {_lt: 9}}}) { id } } }',
    ['orders.notes'],
  ],
])('%s is handed over', (_, query, gaps) => {
  expect(handedOver(query)).toEqual(gaps);
});

test.each([
  [
    'an order of texts, which each database sorts its own way',
    '{ orders { notes(order_by: {body: asc}) { id } } }',
  ],
  ['a greatest text', '{ orders { notes_aggregate { aggregate { max { body } } } } }'],
  ['a comparison of texts by order', '{ orders { notes(where: {body: {_gt: "a"}}) { id } } }'],
  ['rows of a third database below', '{ orders { person { town { name } } } }'],
  ['the way back', '{ orders { person { orders { id } } } }'],
  ['keys that are fractions', '{ orders { by_ratio { id } } }'],
  ['rows that no index finds', '{ orders { scanned { id } } }'],
  ['a filter of the source', '{ orders(where: {person: {born: {_gt: 1}}}) { person { name } } }'],
  ['an order of the source', '{ orders(order_by: {person: {born: asc}}) { id } }'],
])('%s is not', (_, query) => {
  expect(handedOver(query)).toBeNull();
});

test('a permission counts as a filter', () => {
  const query = '{ orders { person { id } } }';
  expect(handedOver(query, 'clerk')).toEqual(['orders.people']);
  expect(handedOver(query, 'scribe')).toBeNull();
});

test.each([
  ['shown', '{ orders { notes { body } } }'],
  ['what decides which rows are the first', '{ orders { notes(distinct_on: stars) { id } } }'],
  ['counted', '{ orders { notes_aggregate { aggregate { count(columns: [stars]) } } } }'],
  ['aggregated', '{ orders { notes_aggregate { aggregate { max { stars } } } } }'],
  ['a node of an aggregate', '{ orders { notes_aggregate { nodes { stars } } } }'],
])('a cell that only some rows show, as each database may see it, is not: %s', (_, query) => {
  expect(handedOver(query, 'owner')).toBeNull();
  expect(handedOver('{ orders { notes { id } } }', 'editor')).toEqual(['orders.notes']);
  expect(handedOver(query, 'editor')).toBeNull();
});

test('a cache below a live target keeps the subtree at the source, a live target below a cache does not', () => {
  expect(handedOver('{ orders { person { town { name } } } }', 'admin', ['b'])).toBeNull();
  expect(handedOver('{ orders { person { town { name } } } }', 'admin', ['c'])).toEqual(['people.towns']);
});
