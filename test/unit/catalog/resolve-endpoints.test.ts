import { describe, expect, test } from 'vitest';
import { type EndpointMatch, matchEndpoint } from '../../../src/catalog/part/endpoints.ts';
import { parseMetadata } from '../../../src/metadata/document/parse.ts';
import { after, type Body, refused } from '../commands/support.ts';
import { catalogOf } from './found.ts';

const QUERIES = {
  plain: '{ a }',
  arg: 'query ($id: Int!, $tags: [String!], $on: Boolean = true) { a }',
  live: 'subscription { a }',
  two: 'query A { a } query B { a }',
};
const COLLECTION = {
  name: 'c',
  definition: { queries: Object.entries(QUERIES).map(([name, query]) => ({ name, query })) },
};

function endpoint(url: string, over: { name?: string; methods?: string[]; query?: string } = {}): object {
  const { name = url, methods = ['GET'], query = 'plain' } = over;
  return { name, url, methods, definition: { query: { collection_name: 'c', query_name: query } } };
}

const catalog = (...endpoints: object[]) =>
  catalogOf([], {}, { query_collections: [COLLECTION], rest_endpoints: endpoints });

function met(method: string, path: string, ...endpoints: object[]): EndpointMatch {
  return matchEndpoint(catalog(...endpoints).kept.endpoints, method, path.split('/'));
}

describe('the path of a request', () => {
  test('leads to the endpoint whose segments it has, those with a colon being variables', () => {
    const all = [endpoint('a'), endpoint('a/:id'), endpoint('a/:id/b/:other', { query: 'arg' })];
    expect(met('GET', 'a', ...all)).toMatchObject({ kind: 'found', endpoint: { name: 'a' } });
    expect(met('GET', 'a/x/b/', ...all)).toMatchObject({
      kind: 'found',
      texts: new Map([
        ['id', 'x'],
        ['other', ''],
      ]),
      endpoint: {
        variables: [
          { name: 'id', type: 'Int', list: false, nullable: false },
          { name: 'tags', type: 'String', list: true, nullable: true },
          { name: 'on', type: 'Boolean', list: false, nullable: true },
        ],
      },
    });
    expect(met('GET', 'a/x/c', ...all)).toEqual({ kind: 'none' });
  });

  test('may lead to other methods only, or to several endpoints', () => {
    const both = [endpoint('a', { methods: ['PATCH', 'GET'] }), endpoint(':x', { methods: ['POST', 'GET'] })];
    expect(met('DELETE', 'a', ...both)).toEqual({
      kind: 'other-methods',
      allowed: ['GET', 'POST', 'PATCH'],
    });
    expect(met('GET', 'a', ...both)).toEqual({ kind: 'several' });
    expect(met('POST', 'a', ...both)).toMatchObject({ kind: 'found', endpoint: { name: ':x' } });
  });
});

describe('an endpoint is inconsistent', () => {
  test.each([
    [endpoint('a', { query: 'gone' }), 'in endpoint a: query with name gone does not exist in collection c'],
    [endpoint('a', { query: 'live' }), 'in endpoint a: query with name live is a subscription'],
    [endpoint('a', { query: 'two' }), 'in endpoint a: query with name two has multiple definitions.'],
  ])('%j for its operation', (entry, reason) => {
    expect(catalog(entry)).toMatchObject({
      kept: { endpoints: [] },
      inconsistent: [
        {
          type: 'rest_endpoint',
          name: 'rest_endpoint a',
          reason: `Inconsistent object: ${reason}`,
          definition: { ...entry, comment: null },
        },
      ],
    });
  });

  test.each([
    ['foo/:id/bar/:id', 'Duplicate variables found in endpoint path: foo/:id/bar/:id'],
    ['foo//bar', 'Empty segments or unnamed variables are not allowed: foo//bar'],
    ['foo/:/bar', 'Empty segments or unnamed variables are not allowed: foo/:/bar'],
    ['/foo', 'Empty segments or unnamed variables are not allowed: /foo'],
  ])('with the path %s', (url, reason) => {
    expect(catalog(endpoint(url, { name: 'e' })).inconsistent).toEqual([
      {
        type: 'rest_endpoint',
        name: 'rest_endpoint e',
        reason,
        definition: { ...endpoint(url, { name: 'e' }), comment: null },
      },
    ]);
  });

  test('with others that one path can mean, all told at once, of the first', () => {
    const conflicts = ['b', 'c', 'x'].map((name) => ({
      name,
      url: name === 'x' ? ':any' : name,
      methods: ['GET'],
      comment: null,
      definition: { query: QUERIES.plain },
    }));
    const { inconsistent } = catalog(
      endpoint('c'),
      endpoint('b'),
      endpoint(':any', { name: 'x' }),
      endpoint('b', { name: 'posted', methods: ['POST'] }),
      endpoint('b/:any', { name: 'longer' }),
    );
    const reason = 'Ambiguous URL paths: b, c, :any';
    const object = { type: 'rest_endpoint', name: 'rest_endpoint b', reason };
    expect(inconsistent).toEqual([{ ...object, definition: conflicts, conflicts }]);
  });
});

const CREATE = ['create_rest_endpoint', endpoint('a', { name: 'e' })] as Body;

test('endpoints are created and dropped by their names, and follow a collection that is renamed', () => {
  const created = after([['create_query_collection', COLLECTION], CREATE]);
  const renamed = after([['rename_query_collection', { name: 'c', new_name: 'd' }]], created);
  expect(renamed.rest_endpoints?.[0]?.definition.query.collection_name).toBe('d');
  expect(after([['drop_rest_endpoint', { name: 'e' }]], created)).not.toHaveProperty('rest_endpoints');
  expect(refused(() => after([CREATE], created))).toEqual({
    path: '$.args',
    error: 'Endpoint with name: e already exists',
    code: 'already-exists',
  });
  expect(refused(() => after([['drop_rest_endpoint', { name: 'x' }]], created))).toEqual({
    path: '$.args',
    error: 'endpoint with name: x does not exist',
    code: 'not-exists',
  });
  expect(refused(() => after([['create_rest_endpoint', endpoint('', { name: 'e' })]]))).toEqual({
    path: '$.args.url',
    error: 'empty string not allowed',
    code: 'parse-failed',
  });
  const twice = { version: 3, sources: [], rest_endpoints: [endpoint('a'), endpoint('a')] };
  expect(refused(() => parseMetadata(twice)).error).toContain('the following rest endpoints: a');
});
