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
])('of a secret with %j administrators read where claims are, and not its key', (over, info) => {
  const config = jwtSecret.parse(JSON.stringify({ type: 'HS256', key: KEY, ...over }));
  expect(jwtInfo(config)).toEqual(info);
});
