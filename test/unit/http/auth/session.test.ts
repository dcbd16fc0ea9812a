import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Session } from '../../../../src/http/auth/session.ts';
import { authenticator, CLAIMS, clock, KEY, NAMESPACE, NOW_S, refusal, token, verifier } from './tokens.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

function shown(session: Session): unknown {
  return { role: session.role, isAdmin: session.isAdmin, variables: Object.fromEntries(session.variables) };
}

describe('without a secret configured', () => {
  const open = authenticator({ adminSecrets: [] });

  test.each([{}, { 'x-hasura-role': '' }])('a request with %j is an administrator', async (headers) => {
    expect(shown(await open.authenticate(headers))).toEqual({
      role: 'admin',
      isAdmin: true,
      variables: { 'x-hasura-role': 'admin' },
    });
  });

  test('the role header and session variables are honoured', async () => {
    const session = await open.authenticate({
      'x-hasura-role': 'user',
      'x-hasura-user-id': '7',
      cookie: 'x',
    });
    expect(shown(session)).toEqual({
      role: 'user',
      isAdmin: false,
      variables: { 'x-hasura-role': 'user', 'x-hasura-user-id': '7' },
    });
  });
});

test.each([
  ['UTF-8', Buffer.from('Žoë').toString('latin1'), 'Žoë'],
  ['Latin-1 where it is no UTF-8', 'Zoë', 'Zoë'],
])('a session variable of a header is %s', async (_, header, value) => {
  const session = await authenticator({ adminSecrets: [] }).authenticate({ 'x-hasura-name': header });
  expect(session.variables.get('x-hasura-name')).toBe(value);
});

describe('admin secret', () => {
  test.each(['x-hasura-admin-secret', 'x-hasura-access-key'])(
    '%s opens the admin role, and is no session variable',
    async (name) => {
      expect(
        shown(await authenticator().authenticate({ [name]: 's3cret', 'x-hasura-user-id': '7' })),
      ).toEqual({
        role: 'admin',
        isAdmin: true,
        variables: { 'x-hasura-role': 'admin', 'x-hasura-user-id': '7' },
      });
    },
  );

  test('with the secret any role can be taken', async () => {
    const session = await authenticator().authenticate({
      'x-hasura-admin-secret': 's3cret',
      'x-hasura-role': 'editor',
    });
    expect(session).toMatchObject({ role: 'editor', isAdmin: false });
  });

  test('a wrong secret is refused even when a token would be fine', async () => {
    const auth = authenticator({ jwt: verifier({ type: 'HS256', key: KEY }) });
    const headers = {
      'x-hasura-admin-secret': 'wrong',
      authorization: `Bearer ${await token({ [NAMESPACE]: CLAIMS })}`,
    };
    expect(await refusal(() => auth.authenticate(headers))).toMatchObject({
      status: 401,
      code: 'access-denied',
      message: 'invalid "x-hasura-admin-secret"/"x-hasura-access-key"',
    });
  });

  test('no secret and no other way in', async () => {
    expect(await refusal(() => authenticator().authenticate({ 'x-hasura-role': 'user' }))).toMatchObject({
      status: 401,
      code: 'access-denied',
      message: 'x-hasura-admin-secret/x-hasura-access-key required, but not found',
    });
  });

  test('the unauthorized role cannot be left by a header', async () => {
    const auth = authenticator({ unauthorizedRole: 'anonymous' });
    expect(await auth.authenticate({ 'x-hasura-role': 'admin' })).toMatchObject({
      role: 'anonymous',
      isAdmin: false,
    });
  });
});

describe('JWT', () => {
  const jwt = verifier({ type: 'HS256', key: KEY });
  const auth = authenticator({ jwt });
  const bearer = async (claims: object): Promise<{ authorization: string }> => ({
    authorization: `Bearer ${await token(claims)}`,
  });

  test('claims give role and variables; headers add nothing', async () => {
    const session = await auth.authenticate({
      ...(await bearer({ [NAMESPACE]: CLAIMS })),
      'x-hasura-user-id': '1',
    });
    expect(shown(session)).toEqual({
      role: 'user',
      isAdmin: false,
      variables: { 'x-hasura-role': 'user', 'x-hasura-user-id': '7' },
    });
    expect(session.expiresAtMs).toBe((NOW_S + 3600) * 1000);
  });

  test('a role of the allowed ones may be asked for, no other', async () => {
    const headers = await bearer({ [NAMESPACE]: CLAIMS });
    expect((await auth.authenticate({ ...headers, 'x-hasura-role': '' })).role).toBe('user');
    expect((await auth.authenticate({ ...headers, 'x-hasura-role': 'editor' })).role).toBe('editor');
    expect(await refusal(() => auth.authenticate({ ...headers, 'x-hasura-role': 'admin' }))).toMatchObject({
      code: 'access-denied',
      message: 'Your requested role is not in allowed roles',
    });
  });

  test('a token that was fine is refused once it has expired', async () => {
    const headers = await bearer({ [NAMESPACE]: CLAIMS });
    await auth.authenticate(headers);
    clock.nowMs = (NOW_S + 3600) * 1000;
    expect(await refusal(() => auth.authenticate(headers))).toMatchObject({
      code: 'invalid-jwt',
      message: 'Could not verify JWT: JWTExpired',
    });
    const patient = authenticator({ jwt: verifier({ type: 'HS256', key: KEY, allowed_skew: 60 }) });
    expect((await patient.authenticate(headers)).expiresAtMs).toBe((NOW_S + 3660) * 1000);
    clock.nowMs = (NOW_S + 3660) * 1000;
    expect(await refusal(() => patient.authenticate(headers))).toMatchObject({ code: 'invalid-jwt' });
    clock.nowMs = NOW_S * 1000;
  });

  test('a token that says it was issued in the future is refused, further ahead than clocks may differ', async () => {
    const headers = await bearer({ [NAMESPACE]: CLAIMS, iat: NOW_S + 60 });
    expect(await refusal(() => auth.authenticate(headers))).toMatchObject({
      code: 'invalid-jwt',
      message: 'Could not verify JWT: JWTIssuedAtFuture',
    });
    const patient = authenticator({ jwt: verifier({ type: 'HS256', key: KEY, allowed_skew: 60 }) });
    expect((await patient.authenticate(headers)).role).toBe('user');
    expect((await auth.authenticate(await bearer({ [NAMESPACE]: CLAIMS, iat: NOW_S }))).role).toBe('user');
  });

  test('no token at all', async () => {
    expect(await refusal(() => auth.authenticate({}))).toMatchObject({
      code: 'invalid-headers',
      message: "Missing 'Authorization' or 'Cookie' header in JWT authentication mode",
    });
    const lax = authenticator({ jwt, unauthorizedRole: 'anonymous' });
    expect((await lax.authenticate({})).role).toBe('anonymous');
  });

  test.each([
    ['Basic abc', 'invalid-headers', 'Malformed Authorization header'],
    ['Bearer', 'invalid-headers', 'Malformed Authorization header'],
    ['Bearer a.b.c', 'invalid-jwt', 'Could not verify JWT: JWSError malformed token'],
  ])('Authorization: %s', async (authorization, code, message) => {
    expect(await refusal(() => auth.authenticate({ authorization }))).toMatchObject({ code, message });
  });

  test('a token of another key, or of no algorithm, is refused', async () => {
    const other = await token(
      { [NAMESPACE]: CLAIMS },
      new TextEncoder().encode('another-secret-of-thirty-two-bytes!!'),
    );
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify({ [NAMESPACE]: CLAIMS })).toString('base64url')}.`;
    for (const text of [other, none]) {
      expect(await refusal(() => auth.authenticate({ authorization: `Bearer ${text}` }))).toMatchObject({
        code: 'invalid-jwt',
      });
    }
  });

  test.each([
    [{}, 'jwt-invalid-claims', `claims key: '${NAMESPACE}' not found`],
    [{ [NAMESPACE]: 'text' }, 'jwt-invalid-claims', 'expecting a json object when claims_format is json'],
    [
      { [NAMESPACE]: { 'x-hasura-default-role': 'user' } },
      'jwt-missing-role-claims',
      'JWT claim does not contain x-hasura-allowed-roles',
    ],
    [
      { [NAMESPACE]: { 'x-hasura-allowed-roles': ['user'] } },
      'jwt-missing-role-claims',
      'JWT claim does not contain x-hasura-default-role',
    ],
    [
      { [NAMESPACE]: { ...CLAIMS, 'x-hasura-allowed-roles': 'user' } },
      'jwt-invalid-claims',
      'invalid x-hasura-allowed-roles; should be a list of roles: parsing [] failed, expected Array, but encountered String',
    ],
    [
      { [NAMESPACE]: { ...CLAIMS, 'x-hasura-allowed-roles': ['user', 7] } },
      'jwt-invalid-claims',
      'invalid x-hasura-allowed-roles; should be a list of roles: parsing [] failed, expected Array, but encountered Array',
    ],
    [
      { [NAMESPACE]: { ...CLAIMS, 'x-hasura-default-role': ['user'] } },
      'jwt-invalid-claims',
      'invalid x-hasura-default-role; should be a single role name: parsing Text failed, expected String, but encountered Array',
    ],
    [
      { [NAMESPACE]: { ...CLAIMS, 'x-hasura-shops': [1] } },
      'jwt-invalid-claims',
      'x-hasura-* claims: x-hasura-shops: parsing Text failed, expected String, but encountered Array',
    ],
  ])('claims %j', async (claims, code, message) => {
    const headers = await bearer(claims);
    expect(await refusal(() => auth.authenticate(headers))).toMatchObject({ code, message });
  });

  test('audience and issuer are checked when configured', async () => {
    const strict = authenticator({
      jwt: verifier({ type: 'HS256', key: KEY, audience: ['app'], issuer: 'me' }),
    });
    const claims = { [NAMESPACE]: CLAIMS, aud: 'app', iss: 'me' };
    expect((await strict.authenticate(await bearer(claims))).role).toBe('user');
    for (const other of ['other', undefined]) {
      const wrongAudience = await bearer({ ...claims, aud: other });
      expect(await refusal(() => strict.authenticate(wrongAudience))).toMatchObject({
        message: 'Could not verify JWT: JWTNotInAudience',
      });
      const wrongIssuer = await bearer({ ...claims, iss: other });
      expect(await refusal(() => strict.authenticate(wrongIssuer))).toMatchObject({
        message: 'Could not verify JWT: JWTNotInIssuer',
      });
    }
  });

  test('claims by path, stringified, and by map', async () => {
    const byPath = authenticator({
      jwt: verifier({
        type: 'HS256',
        key: KEY,
        claims_namespace_path: "$.a['b.c']",
        claims_format: 'stringified_json',
      }),
    });
    expect((await byPath.authenticate(await bearer({ a: { 'b.c': JSON.stringify(CLAIMS) } }))).role).toBe(
      'user',
    );
    for (const [claim, message] of [
      [CLAIMS, 'expecting a string when claims_format is stringified_json'],
      ['[]', 'expecting stringified json in the claims when claims_format is stringified_json'],
      ['{', 'expecting stringified json in the claims when claims_format is stringified_json'],
    ] as const) {
      const odd = await bearer({ a: { 'b.c': claim } });
      expect(await refusal(() => byPath.authenticate(odd))).toMatchObject({
        code: 'jwt-invalid-claims',
        message,
      });
    }
    const map = {
      'x-hasura-allowed-roles': { path: '$.roles.all', default: ['user'] },
      'x-hasura-default-role': 'user',
      'x-hasura-user-id': { path: '$.sub' },
    };
    const byMap = authenticator({ jwt: verifier({ type: 'HS256', key: KEY, claims_map: map }) });
    const session = await byMap.authenticate(await bearer({ sub: '9' }));
    expect(session.variables.get('x-hasura-user-id')).toBe('9');
    const missing = await bearer({});
    expect(await refusal(() => byMap.authenticate(missing))).toMatchObject({
      code: 'jwt-invalid-claims',
      message: 'JWT claim from claims_map, x-hasura-user-id not found',
    });
    const none = await bearer({ sub: null });
    expect(await refusal(() => byMap.authenticate(none))).toMatchObject({
      code: 'jwt-invalid-claims',
      message:
        'x-hasura-* claims: x-hasura-user-id: parsing Text failed, expected String, but encountered Null',
    });
    const noRoles = await bearer({ sub: '9', roles: { all: null } });
    expect(await refusal(() => byMap.authenticate(noRoles))).toMatchObject({
      code: 'jwt-invalid-claims',
      message:
        'invalid x-hasura-allowed-roles; should be a list of roles: parsing [] failed, expected Array, but encountered Null',
    });
  });

  test('the token may be in a cookie or a header of its own', async () => {
    const text = await token({ [NAMESPACE]: CLAIMS });
    const cookie = authenticator({
      jwt: verifier({ type: 'HS256', key: KEY, header: { type: 'Cookie', name: 'session' } }),
    });
    expect((await cookie.authenticate({ cookie: `a=b; session=${text}` })).role).toBe('user');
    const header = authenticator({
      jwt: verifier({ type: 'HS256', key: KEY, header: { type: 'CustomHeader', name: 'X-Token' } }),
    });
    expect((await header.authenticate({ 'x-token': text })).role).toBe('user');
  });

  test.each([
    ['RS256', rsa],
    ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['Ed25519', generateKeyPairSync('ed25519')],
  ])('%s public keys verify, and do not serve as shared secrets', async (type, { publicKey, privateKey }) => {
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const keyed = authenticator({ jwt: verifier({ type, key: pem }) });
    const good = await token({ [NAMESPACE]: CLAIMS }, privateKey, type === 'Ed25519' ? 'EdDSA' : type);
    expect((await keyed.authenticate({ authorization: `Bearer ${good}` })).role).toBe('user');
    const confused = await token({ [NAMESPACE]: CLAIMS }, new TextEncoder().encode(pem));
    expect(await refusal(() => keyed.authenticate({ authorization: `Bearer ${confused}` }))).toMatchObject({
      code: 'invalid-jwt',
    });
  });
});

test.each([
  ['RS512', ['RS256', 'RS384', 'RS512', 'PS256']],
  ['HS256', ['HS256', 'HS384', 'HS512']],
])('a key of type %s verifies by any algorithm of its kind: %j', async (type, algorithms) => {
  const shared = 'a-secret-of-sixty-four-bytes-is-long-enough-for-each-of-the-three';
  const [key, signing] =
    type === 'HS256'
      ? [shared, new TextEncoder().encode(shared)]
      : [rsa.publicKey.export({ type: 'spki', format: 'pem' }), rsa.privateKey];
  const auth = authenticator({ jwt: verifier({ type, key }) });
  for (const algorithm of algorithms) {
    const text = await token({ [NAMESPACE]: CLAIMS }, signing, algorithm);
    expect((await auth.authenticate({ authorization: `Bearer ${text}` })).role).toBe('user');
  }
});
