import { createServer as createHttpServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AuthHook } from '../../../../src/http/auth/auth-hook.ts';
import { Authenticator } from '../../../../src/http/auth/authenticator.ts';
import { registerHookCookies } from '../../../../src/http/auth/hook-cookies.ts';
import { HeldBytes } from '../../../../src/http/held-bytes.ts';
import { createServer } from '../../../../src/http/server.ts';
import { createLog } from '../../../../src/ops/log.ts';

const COOKIES = ['id=1; Secure; Path=/', 'other=2; HttpOnly'];

let hook: Server;

beforeAll(async () => {
  hook = createHttpServer((request, response) => {
    const caching = request.headers['authorization'] === 'kept' ? { 'cache-control': 'max-age=60' } : {};
    response.writeHead(200, { 'set-cookie': COOKIES, 'x-other': 'x', ...caching });
    response.end('{"x-hasura-role":"user"}');
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
});

afterAll(() => {
  hook.closeAllConnections();
  hook.close();
});

test('cookies that the hook sets are given to the caller, once where its answer is kept', async () => {
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}`;
  const authenticator = new Authenticator({
    adminSecrets: ['secret'],
    unauthorizedRole: null,
    jwt: null,
    hook: new AuthHook({ url, mode: 'GET', sendRequestBody: false, timeoutMs: 5000, nowMs: Date.now }),
  });
  const app = createServer({
    log: createLog('silent'),
    cors: { kind: 'none' },
    bodyLimitBytes: 1000,
    arriving: new HeldBytes(1_000_000, () => undefined),
    requestTimeoutMs: 10_000,
    isLeaving: () => false,
    showsInternal: () => false,
  });
  registerHookCookies(app);
  app.get('/', async (request) => {
    const session = await authenticator.authenticate(request.headers);
    if (request.notes !== null) request.notes.session = session;
    return { role: session.role };
  });
  const cookiesFor = async (headers: Record<string, string>): Promise<unknown> => {
    const answer = await app.inject({ url: '/', headers });
    expect(answer.headers['x-other']).toBeUndefined();
    return [answer.json().role, answer.headers['set-cookie']];
  };
  expect(await cookiesFor({ authorization: 'anew' })).toEqual(['user', COOKIES]);
  expect(await cookiesFor({ authorization: 'kept' })).toEqual(['user', COOKIES]);
  expect(await cookiesFor({ authorization: 'kept' })).toEqual(['user', undefined]);
  expect(await cookiesFor({ 'x-hasura-admin-secret': 'secret' })).toEqual(['admin', undefined]);
  await app.close();
});
