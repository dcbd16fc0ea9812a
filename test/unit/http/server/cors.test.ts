import { expect, test } from 'vitest';
import { echo, post, serverWith } from '../graphql-server.ts';

const listed = {
  kind: 'listed',
  origins: [{ scheme: 'https', host: 'example.com', wildcard: true, port: '' }],
} as const;
const preflight = {
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'x-hasura-role',
};

test('any origin may read by default', async () => {
  const app = await serverWith(echo);
  const answer = await app.inject({
    method: 'OPTIONS',
    url: '/v1/graphql',
    headers: { origin: 'http://a.b', ...preflight },
  });
  expect(answer.statusCode).toBe(204);
  expect(answer.headers).toMatchObject({
    'access-control-allow-origin': 'http://a.b',
    'access-control-allow-headers': 'x-hasura-role',
  });
  const plain = await app.inject({ method: 'GET', url: '/v1/graphql', headers: { origin: 'http://a.b' } });
  expect(plain.headers['access-control-allow-methods']).toBe('GET,POST,PUT,PATCH,DELETE,OPTIONS');
});

test.each([
  ['https://a.example.com', true],
  ['https://example.com', false],
  ['https://a.b.example.com', false],
  ['http://a.example.com', false],
  ['https://a.example.com:8443', false],
  ['https://evilexample.com', false],
  ['null', false],
])('with https://*.example.com listed, %s may read: %s', async (origin, allowed) => {
  const app = await serverWith(echo, { cors: listed });
  const answer = await post(app, { query: '{ a }' }, { origin });
  expect(answer.headers['access-control-allow-origin']).toBe(allowed ? origin : undefined);
  expect(answer.json().data !== undefined).toBe(allowed);
});

test('answers of a server with no CORS have no such header', async () => {
  const answer = await post(
    await serverWith(echo, { cors: { kind: 'none' } }),
    { query: '{ a }' },
    { origin: 'http://a.b' },
  );
  expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  const same = await post(
    await serverWith(echo, { cors: { kind: 'none' } }),
    { query: '{ a }' },
    { origin: 'http://a.b', host: 'a.b' },
  );
  expect(same.json()).toEqual({ data: { query: '{ a }' } });
});
