import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keptMs } from '../../../../src/http/auth/key-set.ts';
import { type LocalHttp, serveLocally } from '../../../support/local-http.ts';
import { authenticator, CLAIMS, clock, KEY, NAMESPACE, NOW_S, refusal, token, verifier } from './tokens.ts';

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

test('keys that have moved are fetched where they are now', async () => {
  const jwk = { ...rsa.publicKey.export({ format: 'jwk' }), alg: 'RS256' };
  const moved = await serveLocally((_request, response) => {
    response.writeHead(301, { location: `${url}/jwks` }).end();
  });
  answer = { status: 200, body: JSON.stringify({ keys: [jwk] }) };
  const keyed = authenticator({ jwt: verifier({ jwk_url: `${moved.url}/jwks` }) });
  const text = await token({ [NAMESPACE]: CLAIMS }, rsa.privateKey, 'RS256');
  const session = await keyed.authenticate({ authorization: `Bearer ${text}` });
  moved.close();
  expect(session.role).toBe('user');
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
  const start = clock.nowMs;
  try {
    publish(rsa.publicKey, 'one', 60);
    expect(await role(rsa.privateKey)).toBe('user');
    answer = { status: 500, body: '' };
    const before = fetched;
    for (const [at, times] of [
      [61_000, 1],
      [70_000, 1],
      [71_000, 2],
    ] as const) {
      clock.nowMs = start + at;
      expect(await role(rsa.privateKey)).toBe('user');
      expect(fetched - before).toBe(times);
    }
    publish(successor.publicKey, 'two', 60);
    clock.nowMs = start + 81_000;
    expect(await role(successor.privateKey)).toBe('user');
    await expect(role(rsa.privateKey)).rejects.toMatchObject({ code: 'invalid-jwt' });
  } finally {
    clock.nowMs = start;
  }
});

test.each([
  ['an error', { status: 503, body: '' }],
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

test('a token that names a key is verified by published ones that have no name or another', async () => {
  const [signer, other] = [rsa, generateKeyPairSync('rsa', { modulusLength: 2048 })];
  const publish = (...keys: object[]): void => {
    answer = { status: 200, body: JSON.stringify({ keys }) };
  };
  const role = async (): Promise<string> => {
    const keyed = authenticator({ jwt: verifier({ jwk_url: `${url}/jwks` }) });
    const text = await token({ [NAMESPACE]: CLAIMS }, signer.privateKey, { alg: 'RS256', kid: 'one' });
    return (await keyed.authenticate({ authorization: `Bearer ${text}` })).role;
  };
  const [right, wrong] = [signer, other].map(({ publicKey }) => publicKey.export({ format: 'jwk' }));
  publish({ ...right });
  expect(await role()).toBe('user');
  publish({ ...wrong }, { ...right, kid: 'two' });
  expect(await role()).toBe('user');
  publish({ ...wrong });
  await expect(role()).rejects.toMatchObject({ code: 'invalid-jwt' });
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
