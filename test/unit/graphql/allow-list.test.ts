import { describe, expect, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import { AllowList } from '../../../src/graphql/allow-list.ts';
import { Operations } from '../../../src/graphql/operations.ts';
import { OutdatedQueries } from '../../../src/graphql/outdated-queries.ts';
import { DEFAULT_PLAN_LIMITS } from '../../../src/plan/budget.ts';
import { catalogOf, database, source, table } from '../catalog/found.ts';

const everybody = { columns: '*', filter: {} };
const SOURCES = [
  source('here', [
    {
      table: 'artist',
      select_permissions: ['user', 'clerk'].map((role) => ({ role, permission: everybody })),
    },
  ]),
];
const FOUND = { here: database([table('artist', ['id int4 pk', 'name text'])]) };

/** A catalog with a collection of each list, which the allow list has for everybody or for roles. */
function listing(queries: readonly string[], roles?: readonly string[]): Catalog {
  const definition = { queries: queries.map((query, index) => ({ name: `q${index}`, query })) };
  const scope = roles === undefined ? { global: true } : { global: false, roles };
  return catalogOf(SOURCES, FOUND, {
    query_collections: [{ name: 'c', definition }],
    allowlist: [{ collection: 'c', scope }],
  });
}

function operations(): Operations<null> {
  return new Operations({
    documents: { maxDocuments: 10, maxKeptTokens: 2_000, maxTokens: 500 },
    plans: { maxPlans: 10, maxKeptNodes: 2_000 },
    limits: DEFAULT_PLAN_LIMITS,
    compile: () => null,
    allowList: new AllowList(),
  });
}

/** Whether the role may run the text, or else why not. */
function asked(query: string, catalog: Catalog, role = 'user', over: object = {}): string {
  try {
    const request = { query, operationName: null, variables: {}, role, catalog };
    operations().prepare({ ...request, over: 'socket', ...over });
    return 'allowed';
  } catch (error) {
    return (error as Error).message;
  }
}

const REFUSED = 'query is not allowed';
const LISTED =
  'query A($n: Int) { artist(where: {id: {_gt: 0}, name: {_eq: "x"}}, limit: $n) { id ...n } } fragment n on artist { name }';

describe('the allow list', () => {
  test.each([
    ['the same text', LISTED],
    ['other spaces and comments', LISTED.replace('{ id', '\n# it\n{ id,')],
    [
      'arguments and members in another order',
      LISTED.replace(
        '(where: {id: {_gt: 0}, name: {_eq: "x"}}, limit: $n)',
        '(limit: $n, where: {name: {_eq: """x"""}, id: {_gt: 0}})',
      ),
    ],
    ['a fragment before the operation', LISTED.replace(/(.*) (fragment .*)/, '$2 $1')],
    [
      '__typename anywhere',
      LISTED.replace('{ id', '{ __typename id').replace('{ name', '{ name t: __typename'),
    ],
  ])('lets %s through', (_what, query) => {
    expect(asked(query, listing([LISTED]))).toBe('allowed');
  });

  test.each([
    ['another name', LISTED.replace('query A', 'query B')],
    ['no name', LISTED.replace('query A', 'query ')],
    ['another field', LISTED.replace('{ id', '{ id name')],
    ['fields in another order', 'query A { artist { name id } }'],
    ['an alias', LISTED.replace('{ id', '{ a: id')],
    ['another literal', LISTED.replace('"x"', '"y"')],
    ['a directive', LISTED.replace('{ id', '{ id @include(if: true)')],
    ['another type of a variable', LISTED.replace('Int', 'Int!')],
    ['one more operation', `${LISTED} query B { artist { id } }`],
    ['less', 'query A { artist { id } }'],
    ['introspection', '{ __schema { types { name } } }'],
    ['a mutation', 'mutation { delete_artist { affected_rows } }'],
  ])('refuses %s', (_what, query) => {
    const listed = listing([LISTED, 'query A { artist { id name } }']);
    expect(asked(query, listed)).toBe(REFUSED);
    expect(asked(query, listed, 'admin')).not.toBe(REFUSED);
  });

  test('comes before anything is said of the operation, and after its text', () => {
    expect(asked('{ nothing_like_it }', listing([LISTED]))).toBe(REFUSED);
    expect(asked(LISTED, listing([]), 'user', { operationName: 'nope' })).toBe(REFUSED);
    expect(asked('{', listing([LISTED]))).toBe('not a valid graphql query');
    expect(asked(LISTED, listing([]), 'user', { over: 'explain' })).toBe('allowed');
  });

  test('is for all roles, or for those that are named', () => {
    const named = listing(['{ artist { id } }'], ['clerk', 'other']);
    expect(asked('{ artist { id } }', named)).toBe(REFUSED);
    expect(asked('{ artist { id } }', named, 'clerk')).toBe('allowed');
  });

  test('counts as it is in the catalog of the request', () => {
    const prepared = operations();
    const run = (catalog: Catalog, role: string): unknown =>
      prepared.prepare({
        query: '{ artist { id } }',
        operationName: null,
        variables: {},
        role,
        catalog,
        over: 'http',
      });
    const before = listing([]);
    const after = { ...listing(['{ artist { id } }'], ['user']), generation: 4 };
    expect(() => run(before, 'user')).toThrow(REFUSED);
    run(after, 'user');
    expect(() => run(after, 'clerk')).toThrow(REFUSED);
    expect(() => run(before, 'user')).toThrow(REFUSED);
  });

  test('lets a subscription through like anything else', () => {
    expect(
      asked('subscription { artist { id } }', listing(['subscription { artist { id __typename } }'])),
    ).toBe('allowed');
  });
});

describe('operations of collections', () => {
  test.each([
    ['{ artist { id name artist_x: __typename } __schema { types { name } } }', null],
    ['query ($id: Int!) { artist_by_pk(id: $id) { ...f } } fragment f on artist { name ...f }', null],
    ['{ gone { id } }', "$.gone: field 'gone' not found in object 'query_root'"],
    ['{ artist { ... on artist { gone } } }', "$.artist.gone: field 'gone' not found in object 'artist'"],
    [
      '{ artist { ...f } } fragment f on artist { gone }',
      "$.artist.gone: field 'gone' not found in object 'artist'",
    ],
    ['{ artist { ...f } }', "reference to undefined fragment 'f'"],
    ['{ artist }', "$.artist: object of type 'artist' must have a selection set"],
    ['{ artist { id { x } } }', "$.artist.id: scalar 'Int' does not accept a selection set"],
    ['subscription { artist_stream { id } }', null],
    ['mutation { x }', "$: type 'mutation_root' not found in the schema"],
    [
      'query A { artist { id } } query B { artist { id } }',
      'exactly one operation has to be present in the document when operationName is not specified',
    ],
  ])('%s are told when they do not fit: %s', (query, problem) => {
    const [told] = new OutdatedQueries().in(listing([query]));
    const text = `Inconsistent object: In query collection "c" the query "q0" is invalid with the following error(s): "${problem}". This query is in allowlist.`;
    expect(told).toEqual(
      problem === null
        ? undefined
        : {
            type: 'query_collections',
            name: 'query_collections q0 in c',
            reason: text,
            definition: { name: 'q0', query },
          },
    );
  });
});
