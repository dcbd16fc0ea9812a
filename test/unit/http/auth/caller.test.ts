import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { NearjoinError } from '../../../../src/core/errors.ts';
import { Authenticator } from '../../../../src/http/auth/authenticator.ts';
import { requireAdmin } from '../../../../src/http/auth/caller.ts';
import { HeldBytes } from '../../../../src/http/held-bytes.ts';
import { createServer } from '../../../../src/http/server/server.ts';
import { createLog } from '../../../../src/ops/log.ts';

test('an administrator is shown why a route of theirs failed, and named in the log', async () => {
  const lines: string[] = [];
  const sink = new Writable({ write: (chunk, _encoding, done) => (lines.push(String(chunk)), done()) });
  const app = createServer({
    log: createLog('info', sink),
    cors: { kind: 'any' },
    bodyLimitBytes: 1000,
    arriving: new HeldBytes(1000, () => undefined),
    requestTimeoutMs: 10_000,
    isLeaving: () => false,
    showsInternal: (session) => session?.isAdmin === true,
  });
  const authenticator = new Authenticator({
    adminSecrets: ['secret'],
    unauthorizedRole: 'nobody',
    jwt: null,
    hook: null,
  });
  app.get('/fails', async (request) => {
    await requireAdmin(authenticator, request);
    throw new NearjoinError('postgres-error', 'it failed', { internal: { why: 'a detail' } });
  });
  const headers = { 'x-hasura-admin-secret': 'secret' };
  expect((await app.inject({ url: '/fails', headers })).json()).toMatchObject({
    internal: { why: 'a detail' },
  });
  expect((await app.inject({ url: '/fails' })).json()).toMatchObject({ code: 'access-denied' });
  await app.close();
  expect(lines.map((line) => (JSON.parse(line) as { role?: string }).role)).toEqual(['admin', 'nobody']);
});
