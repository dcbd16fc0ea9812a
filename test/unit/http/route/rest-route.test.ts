import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import type { Endpoint } from '../../../../src/catalog/part/endpoints.ts';
import { Authenticator } from '../../../../src/http/auth/authenticator.ts';
import { HeldBytes } from '../../../../src/http/held-bytes.ts';
import { registerRestRoute } from '../../../../src/http/route/rest-route.ts';
import { createServer } from '../../../../src/http/server/server.ts';
import { createLog } from '../../../../src/ops/log.ts';

const ENDPOINT: Endpoint = {
  name: 'users by name',
  url: 'users/:name',
  segments: ['users', ':name'],
  methods: ['GET'],
  comment: null,
  query: 'query ($name: String!) { user }',
  variables: [{ name: 'name', type: 'String', list: false, nullable: false }],
};

test('the log names endpoints, never the values in their paths', async () => {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const log = createLog('info', sink);
  const server = {
    log,
    cors: { kind: 'none' } as const,
    bodyLimitBytes: 1000,
    arriving: new HeldBytes(1_000_000, () => undefined),
    requestTimeoutMs: 10_000,
    isLeaving: () => false,
    showsInternal: () => false,
  };
  const app = createServer(server);
  registerRestRoute(app, {
    authenticator: new Authenticator({ adminSecrets: ['s'], unauthorizedRole: null, jwt: null, hook: null }),
    runner: {
      endpoints: () => [ENDPOINT],
      openApi: async () => ({}),
      run: async ({ variables }) => ({
        kind: 'data',
        body: Buffer.from(`{"data":${JSON.stringify(variables)}}`),
        targets: [],
      }),
      sent: () => undefined,
    },
    server,
    unsent: new HeldBytes(1_000_000, () => undefined),
  });
  const asked = async (path: string, secret = 's'): Promise<unknown> => {
    const answer = await app.inject({ url: path, headers: { 'x-hasura-admin-secret': secret } });
    return [answer.statusCode, JSON.parse(lines.at(-1) ?? '').path];
  };
  expect(await asked('/api/rest/users/ann?x-y=ann')).toEqual([200, '/api/rest/users/:name']);
  expect(await asked('/api/rest/users/ann?x=ann')).toEqual([400, '/api/rest/users/:name']);
  expect(await asked('/api/rest/ann/ann')).toEqual([404, '/api/rest/*']);
  expect(await asked('/api/rest/users/ann', 'other')).toEqual([401, '/api/rest/*']);
  expect(await asked('/api/rest/users/ann%E0%A4%A')).toEqual([400, '/api/rest/*']);
  expect(lines.join('')).not.toContain('ann');
  await app.close();
});
