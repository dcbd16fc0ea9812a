import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { expect, test } from 'vitest';
import { jwtInfo, jwtSecret } from '../../../../src/http/auth/jwt-config.ts';

const KEY = 'a key of at least thirty-two bytes';

test.each([
  [{}, { claims_namespace: 'https://hasura.io/jwt/claims', claims_format: 'json', claims_map: null }],
  [
    { claims_namespace: 'https://shop.example/claims', claims_format: 'stringified_json' },
    { claims_namespace: 'https://shop.example/claims', claims_format: 'stringified_json', claims_map: null },
  ],
  [
    { claims_namespace_path: '$.shop.claims' },
    { claims_namespace: '$.shop.claims', claims_format: 'json', claims_map: null },
  ],
  [
    {
      claims_map: {
        'X-Hasura-Allowed-Roles': { path: '$.roles' },
        'X-Hasura-Default-Role': 'customer',
        'X-Hasura-Shop': { path: '$.shop', default: '1' },
      },
    },
    {
      claims_namespace: 'https://hasura.io/jwt/claims',
      claims_format: 'json',
      claims_map: {
        'x-hasura-allowed-roles': { path: '$.roles' },
        'x-hasura-default-role': 'customer',
        'x-hasura-shop': { path: '$.shop', default: '1' },
      },
    },
  ],
  [
    {
      claims_map: { 'x-hasura-allowed-roles': ['user'], 'x-hasura-default-role': 'user' },
      claims_namespace: 'https://shop.example/claims',
    },
    {
      claims_namespace: 'https://hasura.io/jwt/claims',
      claims_format: 'json',
      claims_map: { 'x-hasura-allowed-roles': ['user'], 'x-hasura-default-role': 'user' },
    },
  ],
])('of a secret with %j administrators read where claims are, and not its key', (over, info) => {
  const config = jwtSecret.parse(JSON.stringify({ type: 'HS256', key: KEY, ...over }));
  expect(jwtInfo(config)).toEqual(info);
});

const pem = ({ publicKey }: { readonly publicKey: KeyObject }): string =>
  publicKey.export({ type: 'spki', format: 'pem' }).toString();
const map = (more: object): object => ({
  type: 'HS256',
  key: KEY,
  claims_map: { 'x-hasura-allowed-roles': ['user'], 'x-hasura-default-role': 'user', ...more },
});

test.each([
  [
    'a curve of another type',
    { type: 'ES256', key: pem(generateKeyPairSync('ec', { namedCurve: 'P-384' })) },
    'not one of type ES256',
  ],
  [
    'a short key',
    { type: 'RS512', key: pem(generateKeyPairSync('rsa', { modulusLength: 1024 })) },
    'at least 2048 bits',
  ],
  ['an address that is none', { jwk_url: 'https://[keys' }, 'unexpected members or values: jwk_url'],
  [
    'one role for a list',
    map({ 'X-Hasura-Allowed-Roles': 'user' }),
    'must give x-hasura-allowed-roles a list of roles',
  ],
  [
    'a list for one role',
    map({ 'x-hasura-default-role': ['user'] }),
    'must give x-hasura-default-role a string',
  ],
  ['a list for a variable', map({ 'x-hasura-shop': ['1'] }), 'must give x-hasura-shop a string'],
  [
    'a number by default',
    map({ 'x-hasura-shop': { path: '$.shop', default: 1 } }),
    'must give x-hasura-shop a string',
  ],
])('a secret by which no token could be let in is refused: %s', (_, secret, message) => {
  const read = jwtSecret.safeParse(JSON.stringify(secret));
  expect(read.error?.issues.map((issue) => issue.message)).toEqual([expect.stringContaining(message)]);
});

test('members that are null are as if they were not there', () => {
  const secret = { type: 'HS256', key: KEY };
  const names = ['jwk_url', 'claims_namespace', 'claims_namespace_path', 'claims_format', 'claims_map'];
  const nulls = [...names, 'audience', 'issuer', 'allowed_skew', 'header'].map((name) => [name, null]);
  const read = jwtSecret.parse(JSON.stringify({ ...secret, ...Object.fromEntries(nulls) }));
  expect(read).toEqual(jwtSecret.parse(JSON.stringify(secret)));
});

test('a default of null is none', () => {
  const read = jwtSecret.parse(JSON.stringify(map({ 'x-hasura-shop': { path: '$.shop', default: null } })));
  expect(jwtInfo(read).claims_map).toMatchObject({ 'x-hasura-shop': { path: '$.shop' } });
});
