import { once } from 'node:events';
import { get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AuthHook } from '../../../../src/http/auth/auth-hook.ts';
import { Authenticator } from '../../../../src/http/auth/authenticator.ts';
import { callerOf } from '../../../../src/http/auth/caller.ts';
import { registerHookCookies } from '../../../../src/http/auth/hook-cookies.ts';
import { HeldBytes } from '../../../../src/http/held-bytes.ts';
import { createServer } from '../../../../src/http/server/server.ts';
import { createLog } from '../../../../src/ops/log.ts';
import { type LocalHttp, serveLocally } from '../../../support/local-http.ts';

interface Answer {
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
}

const NOW_MS = 1_900_000_000_000;
const USER = '{"X-Hasura-Role":"user"}';

let nowMs = NOW_MS;
let answer: Answer = {};
let server: LocalHttp;
const seen: { method: string | undefined; headers: Record<string, unknown>; body: string }[] = [];

function answerHook(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { method, headers } = request;
    seen.push({ method, headers, body: Buffer.concat(chunks).toString() });
    const { status = 200, body = USER } = answer;
    response.writeHead(status, { ...answer.headers }).end(body);
  });
}

beforeAll(async () => {
  server = await serveLocally(answerHook);
});

afterAll(() => server.close());

function hooked(mode: 'GET' | 'POST' = 'GET', at = server.url): Authenticator {
  const hook = new AuthHook({ url: at, mode, sendRequestBody: true, timeoutMs: 5000, nowMs: () => nowMs });
  return new Authenticator({ adminSecrets: ['secret'], unauthorizedRole: null, jwt: null, hook });
}

function served(): FastifyInstance {
  return createServer({
    log: createLog('silent'),
    cors: { kind: 'none' },
    bodyLimitBytes: 1000,
    arriving: new HeldBytes(1_000_000, () => undefined),
    requestTimeoutMs: 10_000,
    isLeaving: () => false,
    showsInternal: () => false,
  });
}

test("a GET hook gets the caller's headers and answers with variables", async () => {
  answer = { body: '{"X-Hasura-Role":"user","X-Hasura-User-Id":"5","other":"x"}' };
  const session = await hooked().authenticate({
    authorization: 'm\u00c3\u00ab',
    expect: '100-continue',
    host: 'h',
    'user-agent': 'u',
  });
  expect([session.role, session.isAdmin, session.expiresAtMs]).toEqual(['user', false, null]);
  expect(Object.fromEntries(session.variables)).toEqual({ 'x-hasura-role': 'user', 'x-hasura-user-id': '5' });
  const last = seen.at(-1);
  expect(last).toMatchObject({ method: 'GET', headers: { authorization: 'm\u00c3\u00ab' } });
  expect(last?.headers['user-agent']).not.toBe('u');
});

test('a POST hook gets headers, under the names that the client wrote, and the request', async () => {
  answer = {};
  const cookie = 'c=Žoë';
  const headers = { cookie: Buffer.from(cookie).toString('latin1'), 'x-other': '1' };
  await hooked('POST').authenticate(headers, { names: () => ['Cookie'], body: () => ({ query: '{ a }' }) });
  const last = seen.at(-1);
  expect(last?.headers['content-type']).toBe('application/json');
  expect(JSON.parse(last?.body ?? '')).toEqual({
    headers: { Cookie: cookie, 'x-other': '1' },
    request: { query: '{ a }' },
  });
});

test('the names of the headers are those of the request', async () => {
  answer = {};
  const authenticator = hooked('POST');
  const app = served();
  app.get('/', async (request) => (await callerOf(authenticator, request)).role);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const headers = { 'X-Mixed-Case': 'a', AUTHORIZATION: 'b' };
  const [response] = await once(get({ host: '127.0.0.1', port, headers, agent: false }), 'response');
  response.resume();
  expect(JSON.parse(seen.at(-1)?.body ?? '')).toEqual({
    headers: expect.objectContaining(headers),
    request: null,
  });
  await app.close();
});

test.each<[Answer, string, string]>([
  [{ status: 401, body: '' }, 'access-denied', 'Authentication hook unauthorized this request'],
  [
    { status: 500, body: '{"X-Hasura-Role":"admin"}' },
    'unexpected',
    'Invalid response from authorization hook',
  ],
  [{ body: 'no json' }, 'unexpected', 'Invalid response from authorization hook'],
  [{ body: '["user"]' }, 'unexpected', 'Invalid response from authorization hook'],
  [{ body: '{}' }, 'unexpected', 'missing x-hasura-role key in webhook response'],
  [{ body: '{"X-Hasura-Role":""}' }, 'unexpected', 'missing x-hasura-role key in webhook response'],
  [{ body: '{"X-Hasura-Role":["user"]}' }, 'unexpected', 'Invalid response from authorization hook'],
  [
    { body: '{"X-Hasura-Role":"user","X-Hasura-User-Id":7}' },
    'unexpected',
    'Invalid response from authorization hook',
  ],
  [{ status: 302, headers: { location: '/' } }, 'unexpected', 'webhook authentication request failed'],
])('a hook answering %j lets nobody in', async (given, code, message) => {
  answer = given;
  const before = seen.length;
  await expect(hooked().authenticate({ authorization: 'x' })).rejects.toMatchObject({ code, message });
  expect(seen.length - before).toBe(1);
});

test('a hook that is not there lets nobody in', async () => {
  await expect(hooked('GET', 'http://127.0.0.1:1').authenticate({})).rejects.toMatchObject({
    status: 500,
    message: 'webhook authentication request failed',
  });
});

test('a hook whose answer has no end is not read to its end', async () => {
  const endless = await serveLocally((_request, response) => {
    const chunk = Buffer.alloc(65_536, ' ');
    const more = (): void => {
      while (response.write(chunk));
    };
    response.on('drain', more);
    more();
  });
  await expect(hooked('GET', endless.url).authenticate({})).rejects.toMatchObject({
    message: 'Invalid response from authorization hook',
  });
  endless.close();
});

const expiring = (ms: number): string => new Date(NOW_MS + ms).toUTCString();

test.each<[headers: Record<string, string>, body: Record<string, string>, keptMs: number | null]>([
  [{}, {}, null],
  [{ 'cache-control': 'max-age=60' }, {}, 60_000],
  [{ 'cache-control': 'public, s-maxage="60"' }, {}, 60_000],
  [{ 'cache-control': 'no-store, max-age=60' }, {}, null],
  [{ 'cache-control': 'max-age=60' }, { 'Cache-Control': 'no-cache' }, null],
  [{}, { 'Cache-Control': 'max-age=60' }, 60_000],
  [{ expires: expiring(5000) }, {}, 5000],
  [{ 'cache-control': 'private', expires: expiring(5000) }, {}, 5000],
  [{ 'cache-control': 'max-age=60', expires: expiring(5000) }, {}, 60_000],
  [{ 'cache-control': 'max-age=60' }, { Expires: expiring(5000) }, 5000],
  [{}, { Expires: expiring(5000) }, 5000],
  [{ 'cache-control': 'max-age=0' }, {}, 0],
  [{ expires: expiring(-5000) }, {}, 0],
  [{ expires: 'soon' }, {}, null],
])('an answer with headers %j that adds %j is kept for %s ms', async (headers, body, keptMs) => {
  const hook = hooked();
  const before = seen.length;
  const asked = async (authorization = 'one'): Promise<number> => {
    await hook.authenticate({ authorization });
    return seen.length - before;
  };
  nowMs = NOW_MS;
  answer = { body: JSON.stringify({ 'X-Hasura-Role': 'user', ...body }), headers };
  await hook.authenticate({ authorization: 'one' });
  const again = keptMs === null || keptMs === 0 ? 2 : 1;
  expect(await asked()).toBe(again);
  expect(await asked('two')).toBe(again + 1);
  nowMs = NOW_MS + (keptMs ?? 0);
  expect(await asked()).toBe(again + 2);
  nowMs = NOW_MS;
});

test.each<[headers: Record<string, string>, body: Record<string, string>, endsAfterMs: number | null]>([
  [{ 'cache-control': 'max-age=0, private, must-revalidate' }, {}, null],
  [{ expires: '0' }, {}, null],
  [{ 'cache-control': 'max-age=0' }, { 'Cache-Control': 'max-age=60' }, 60_000],
  [{ 'cache-control': 'max-age=60' }, { Expires: expiring(5000) }, 5000],
  [{}, { 'Cache-Control': 'max-age=0' }, 0],
])(
  'a session whose answer has headers %j and adds %j ends after %s ms',
  async (headers, body, endsAfterMs) => {
    answer = { body: JSON.stringify({ 'X-Hasura-Role': 'user', ...body }), headers };
    const hook = hooked();
    const ends = endsAfterMs === null ? null : NOW_MS + endsAfterMs;
    expect((await hook.authenticate({ authorization: 'one' })).expiresAtMs).toBe(ends);
    expect((await hook.authenticate({ authorization: 'one' })).expiresAtMs).toBe(ends);
  },
);

test('cookies that the hook sets are given to the caller, once where its answer is kept', async () => {
  const cookies = ['id=1; Secure; Path=/', 'other=2; HttpOnly'];
  const authenticator = hooked();
  const app = served();
  registerHookCookies(app);
  app.get('/', async (request) => {
    const session = await authenticator.authenticate(request.headers);
    if (request.notes !== null) request.notes.session = session;
    return { role: session.role };
  });
  const cookiesFor = async (headers: Record<string, string>): Promise<unknown> => {
    const given = await app.inject({ url: '/', headers });
    expect(given.headers['x-other']).toBeUndefined();
    return [given.json().role, given.headers['set-cookie']];
  };
  answer = { headers: { 'set-cookie': cookies, 'x-other': 'x' } };
  expect(await cookiesFor({ authorization: 'anew' })).toEqual(['user', cookies]);
  answer = { headers: { ...answer.headers, 'cache-control': 'max-age=60' } };
  expect(await cookiesFor({ authorization: 'kept' })).toEqual(['user', cookies]);
  expect(await cookiesFor({ authorization: 'kept' })).toEqual(['user', undefined]);
  expect(await cookiesFor({ 'x-hasura-admin-secret': 'secret' })).toEqual(['admin', undefined]);
  await app.close();
});

test('the admin secret needs no hook', async () => {
  const before = seen.length;
  expect((await hooked().authenticate({ 'x-hasura-admin-secret': 'secret' })).role).toBe('admin');
  expect(seen.length).toBe(before);
});
