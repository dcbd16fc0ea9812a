import { expect, test } from 'vitest';
import { openApi } from '../../../src/graphql/open-api.ts';
import { buildSchema } from '../../support/build-schema.ts';
import { catalogOf, database, source, table } from '../catalog/found.ts';

const QUERIES = {
  list: '{ artists: artist { id key name } artist_aggregate { aggregate { count } } }',
  one: 'query ($id: Int!, $key: uuid = "a", $where: artist_bool_exp!, $order: [artist_order_by!], $gone: nope) { artist_by_pk(id: $id) { ... on artist { name } gone } }',
  change: 'mutation { nothing }',
};

const ENDPOINTS = [
  { name: 'all', url: 'artists', methods: ['GET'], query: 'list', comment: 'everybody' },
  { name: 'one', url: 'artists/:id', methods: ['GET', 'POST'], query: 'one' },
  { name: 'change', url: 'change', methods: ['POST'], query: 'change' },
].map(({ query, ...entry }) => {
  return { ...entry, definition: { query: { collection_name: 'c', query_name: query } } };
});

function example(): Record<string, unknown> {
  const queries = Object.entries(QUERIES).map(([name, query]) => ({ name, query }));
  const catalog = catalogOf(
    [source('here', [{ table: 'artist' }])],
    { here: database([table('artist', ['id int4 pk', 'key uuid!', 'name text'])]) },
    { query_collections: [{ name: 'c', definition: { queries } }], rest_endpoints: ENDPOINTS },
  );
  return openApi(catalog.kept.endpoints, buildSchema(catalog, 'admin'));
}

const plain = (title: string, type: string, nullable: boolean): object => ({ title, nullable, type });
const SECRET = expect.objectContaining({ name: 'x-hasura-admin-secret', in: 'header' });

test('an endpoint says what it answers', () => {
  const { paths } = example();
  expect(Object.keys(paths as object)).toEqual(['/api/rest/artists', '/api/rest/artists/{id}']);
  const row = {
    title: 'artist',
    description: 'columns and relationships of "artist"',
    type: 'object',
    nullable: false,
    properties: {
      id: plain('Int', 'integer', false),
      key: { $ref: '#/components/schemas/uuid!' },
      name: plain('String', 'string', true),
    },
  };
  expect(paths).toMatchObject({
    '/api/rest/artists': {
      get: {
        summary: 'all',
        description: `everybody\n\n\`\`\` graphql\n${QUERIES.list}\n\`\`\``,
        parameters: [SECRET],
        responses: {
          200: {
            content: {
              'application/json': {
                schema: {
                  properties: {
                    artists: { type: 'array', nullable: false, items: row },
                    artist_aggregate: {
                      properties: {
                        aggregate: { nullable: true, properties: { count: plain('Int', 'integer', false) } },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
  });
});

test('an endpoint says what it takes, in the URL and in the body', () => {
  const { paths, components } = example() as {
    paths: Record<string, Record<string, { parameters: unknown; requestBody?: unknown }>>;
    components: { schemas: Record<string, object> };
  };
  const { get, post } = paths['/api/rest/artists/{id}'] ?? {};
  const pattern = expect.stringContaining('[a-f0-9]{8}');
  expect(get?.parameters).toEqual([
    SECRET,
    { name: 'id', in: 'path', required: true, schema: { type: 'integer' } },
    { name: 'key', in: 'query', required: false, schema: { type: 'string', pattern, default: 'a' } },
  ]);
  expect(get).not.toHaveProperty('requestBody');
  expect(post?.requestBody).toMatchObject({
    required: true,
    content: {
      'application/json': {
        schema: {
          properties: {
            id: plain('Int', 'integer', false),
            where: { $ref: '#/components/schemas/artist_bool_exp!' },
            order: {
              type: 'array',
              nullable: true,
              items: { $ref: '#/components/schemas/artist_order_by!' },
            },
          },
        },
      },
    },
  });
  // A condition leads to itself.
  expect(components.schemas['artist_bool_exp']).toMatchObject({
    type: 'object',
    properties: {
      _not: { $ref: '#/components/schemas/artist_bool_exp' },
      id: { $ref: '#/components/schemas/Int_comparison_exp' },
    },
  });
  expect(components.schemas['order_by']).toMatchObject({
    enum: expect.arrayContaining(['asc', 'desc_nulls_first']),
  });
  const text = JSON.stringify({ paths, components });
  for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
    expect(components.schemas).toHaveProperty([name]);
});
