import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Authenticator } from '../../../../src/http/auth/authenticator.ts';
import { JwtVerifier } from '../../../../src/http/auth/jwt.ts';
import { jwtSecret } from '../../../../src/http/auth/jwt-config.ts';
import { keptMs } from '../../../../src/http/auth/key-set.ts';
import type { Session } from '../../../../src/http/auth/session.ts';
import { type LocalHttp, serveLocally } from '../../../support/local-http.ts';

const KEY = 'a-secret-of-more-than-thirty-two-bytes';
const NAMESPACE = 'https://hasura.io/jwt/claims';
const CLAIMS = {
  'x-hasura-default-role': 'user',
  'x-hasura-allowed-roles': ['user', 'editor'],
  'X-Hasura-User-Id': '7',
};
const NOW_S = 1_900_000_000;

let nowMs = NOW_S * 1000;

function verifier(...secrets: object[]): JwtVerifier {
  return new JwtVerifier(
    secrets.map((secret) => jwtSecret.parse(JSON.stringify(secret))),
    () => nowMs,
  );
}

function authenticator(over: Partial<ConstructorParameters<typeof Authenticator>[0]> = {}): Authenticator {
  return new Authenticator({
    adminSecrets: ['s3cret', 'the one that follows it'],
    unauthorizedRole: null,
    jwt: null,
    hook: null,
    ...over,
  });
}

async function token(
  claims: object,
  key: Uint8Array | KeyObject = new TextEncoder().encode(KEY),
  alg = 'HS256',
): Promise<string> {
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg })
    .setExpirationTime(NOW_S + 3600)
    .sign(key);
}

function shown(session: Session): unknown {
  return { role: session.role, isAdmin: session.isAdmin, variables: Object.fromEntries(session.variables) };
}

async function refusal(work: () => Session | Promise<Session>): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('the request was let in');
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
    nowMs = (NOW_S + 3600) * 1000;
    expect(await refusal(() => auth.authenticate(headers))).toMatchObject({
      code: 'invalid-jwt',
      message: 'Could not verify JWT: JWTExpired',
    });
    const patient = authenticator({ jwt: verifier({ type: 'HS256', key: KEY, allowed_skew: 60 }) });
    expect((await patient.authenticate(headers)).expiresAtMs).toBe((NOW_S + 3660) * 1000);
    nowMs = (NOW_S + 3660) * 1000;
    expect(await refusal(() => patient.authenticate(headers))).toMatchObject({ code: 'invalid-jwt' });
    nowMs = NOW_S * 1000;
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
    const wrongAudience = await bearer({ ...claims, aud: 'other' });
    expect(await refusal(() => strict.authenticate(wrongAudience))).toMatchObject({
      message: 'Could not verify JWT: JWTNotInAudience',
    });
    const wrongIssuer = await bearer({ ...claims, iss: 'other' });
    expect(await refusal(() => strict.authenticate(wrongIssuer))).toMatchObject({
      message: 'Could not verify JWT: JWTNotInIssuer',
    });
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
    ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
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

describe('published keys', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  let fetched = 0;
  let answer: { status: number; body: string; headers?: Record<string, string> } = { status: 200, body: '' };
  let url = '';
  let server: LocalHttp;

  beforeAll(async () => {
    server = await serveLocally((_request, response) => {
      fetched += 1;
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
    url = server.url;
  });

  afterAll(() => server.close());

  test('keys come from a JWK URL, fetched once', async () => {
    const jwk = { ...rsa.publicKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig' };
    answer = { status: 200, body: JSON.stringify({ keys: [jwk] }) };
    const keyed = authenticator({ jwt: verifier({ jwk_url: `${url}/jwks` }) });
    const before = fetched;
    for (const n of [1, 2, 3]) {
      const text = await token({ [NAMESPACE]: CLAIMS, n }, rsa.privateKey, 'RS256');
      expect((await keyed.authenticate({ authorization: `Bearer ${text}` })).role).toBe('user');
    }
    expect(fetched - before).toBe(1);
  });

  test('published keys are fetched again when they say so, and stay in force while they cannot be', async () => {
    const successor = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const publish = (key: KeyObject, kid: string, maxAge: number): void => {
      const jwk = { ...key.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' };
      const headers = { 'cache-control': `max-age=${maxAge}` };
      answer = { status: 200, body: JSON.stringify({ keys: [jwk] }), headers };
    };
    const keyed = authenticator({ jwt: verifier({ jwk_url: `${url}/jwks` }) });
    let n = 0;
    const role = async (key: KeyObject): Promise<string> => {
      n += 1;
      const text = await token({ [NAMESPACE]: CLAIMS, n }, key, 'RS256');
      return (await keyed.authenticate({ authorization: `Bearer ${text}` })).role;
    };
    const start = nowMs;
    try {
      publish(rsa.publicKey, 'one', 60);
      expect(await role(rsa.privateKey)).toBe('user');
      answer = { status: 500, body: '' };
      nowMs = start + 61_000;
      expect(await role(rsa.privateKey)).toBe('user');
      publish(successor.publicKey, 'two', 60);
      nowMs = start + 63_000;
      expect(await role(successor.privateKey)).toBe('user');
      await expect(role(rsa.privateKey)).rejects.toMatchObject({ code: 'invalid-jwt' });
    } finally {
      nowMs = start;
    }
  });

  test.each([
    ['an error', { status: 503, body: '' }],
    ['another address', { status: 302, body: '', headers: { location: '/' } }],
    ['no JSON', { status: 200, body: '<html>' }],
    ['no keys', { status: 200, body: '{"error":"busy"}' }],
  ])('a provider that answers with %s is no fault of the token', async (_, given) => {
    answer = given;
    const keyed = authenticator({ jwt: verifier({ jwk_url: `${url}/jwks` }) });
    const text = await token({ [NAMESPACE]: CLAIMS }, rsa.privateKey, 'RS256');
    expect(await refusal(() => keyed.authenticate({ authorization: `Bearer ${text}` }))).toMatchObject({
      status: 500,
      code: 'unexpected',
      message: 'could not fetch the JWK set',
    });
  });

  test('a token that names no key is verified by whichever of the published ones it was signed with', async () => {
    const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pairs = [pair(), pair()];
    const keys = pairs.map(({ publicKey }, n) => ({ ...publicKey.export({ format: 'jwk' }), kid: `${n}` }));
    answer = { status: 200, body: JSON.stringify({ keys }) };
    const keyed = authenticator({ jwt: verifier({ jwk_url: `${url}/jwks` }) });
    const roleBy = async (key: KeyObject, claims: object = {}): Promise<string> => {
      const text = await token({ [NAMESPACE]: CLAIMS, ...claims }, key, 'ES256');
      return (await keyed.authenticate({ authorization: `Bearer ${text}` })).role;
    };
    for (const { privateKey } of pairs) {
      expect(await roleBy(privateKey)).toBe('user');
      await expect(roleBy(privateKey, { nbf: NOW_S + 60 })).rejects.toMatchObject({
        message: 'Could not verify JWT: JWTNotYetValid',
      });
    }
    await expect(roleBy(pair().privateKey)).rejects.toMatchObject({
      message: 'Could not verify JWT: JWSError JWSInvalidSignature',
    });
  });

  test("a token of one issuer neither waits for another's keys nor is refused in its words", async () => {
    const before = fetched;
    const several = authenticator({
      jwt: verifier({ jwk_url: `${url}/jwks`, issuer: 'other' }, { type: 'HS256', key: KEY, issuer: 'me' }),
    });
    const bearer = async (claims: object): Promise<{ authorization: string }> => ({
      authorization: `Bearer ${await token({ [NAMESPACE]: CLAIMS, ...claims })}`,
    });
    expect((await several.authenticate(await bearer({ iss: 'me' }))).role).toBe('user');
    for (const [claims, reason] of [
      [{ iss: 'me', nbf: NOW_S + 60 }, 'JWTNotYetValid'],
      [{ iss: 'nobody' }, 'JWTNotInIssuer'],
    ] as const) {
      const headers = await bearer(claims);
      expect(await refusal(() => several.authenticate(headers))).toMatchObject({
        code: 'invalid-jwt',
        message: `Could not verify JWT: ${reason}`,
      });
    }
    expect(fetched).toBe(before);
  });

  test.each([
    ['no-cache', null, 1000],
    ['public, max-age=120', null, 120_000],
    ['max-age=0', null, 1000],
    ['', 'Thu, 01 Jan 1970 00:01:00 GMT', 50_000],
    ['', '0', 1000],
    ['private', null, Number.POSITIVE_INFINITY],
  ])('keys with Cache-Control "%s" and Expires %s are kept for %i ms', (cacheControl, expires, kept) => {
    const headers = new Headers({ 'cache-control': cacheControl, ...(expires === null ? {} : { expires }) });
    expect(keptMs(headers, 10_000)).toBe(kept);
  });
});
