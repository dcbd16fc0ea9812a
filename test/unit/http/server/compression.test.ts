import { gunzipSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HeldBytes } from '../../../../src/http/held-bytes.ts';
import type { CorsPolicy } from '../../../../src/http/server/cors.ts';
import { createServer } from '../../../../src/http/server/server.ts';
import { createLog } from '../../../../src/ops/log.ts';

const LONG = JSON.stringify({ data: 'row '.repeat(2000) });

const FAR = { remoteAddress: '192.0.2.1' };

let app: FastifyInstance;

beforeEach(() => {
  app = serverWith({ kind: 'listed', origins: [] });
});

afterEach(() => app.close());

function serverWith(cors: CorsPolicy): FastifyInstance {
  const app = createServer({
    log: createLog('silent'),
    cors,
    bodyLimitBytes: 1000,
    arriving: new HeldBytes(1_000_000, () => undefined),
    requestTimeoutMs: 10_000,
    showsInternal: () => false,
    isLeaving: () => false,
  });
  app.get('/text', (_request, reply) => reply.type('application/json').send(LONG));
  app.get('/bytes', (_request, reply) => reply.type('application/json').send(Buffer.from(LONG)));
  app.get('/short', (_request, reply) => reply.type('application/json').send(LONG.slice(0, 699)));
  return app;
}

test.each(['/text', '/bytes'])('a long answer is packed for who takes gzip: %s', async (url) => {
  const { headers, rawPayload } = await app.inject({
    ...FAR,
    url,
    headers: { 'accept-encoding': 'gzip, deflate, br' },
  });
  expect(headers).toMatchObject({
    'content-encoding': 'gzip',
    'content-length': String(rawPayload.length),
    vary: 'Origin, Accept-Encoding',
  });
  expect(rawPayload.length).toBeLessThan(LONG.length / 5);
  expect(gunzipSync(rawPayload).toString()).toBe(LONG);
});

test.each([
  ['/text', undefined],
  ['/text', 'br'],
  ['/text', 'identity, gzip;q=0'],
  ['/short', 'gzip'],
])('others have it as it is: %s for %s', async (url, accepted) => {
  const headers = accepted === undefined ? {} : { 'accept-encoding': accepted };
  const answer = await app.inject({ ...FAR, url, headers });
  expect(answer.headers['content-encoding']).toBeUndefined();
  expect(answer.body).toBe(url === '/short' ? LONG.slice(0, 699) : LONG);
});

test.each(['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1'])(
  'nothing is packed for a client on the same machine: %s',
  async (remoteAddress) => {
    const answer = await app.inject({ remoteAddress, url: '/text', headers: { 'accept-encoding': 'gzip' } });
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(answer.body).toBe(LONG);
  },
);

test.each(['x-forwarded-for', 'x-forwarded-proto', 'forwarded', 'via'])(
  'a client whose request a proxy on the same machine passes on has it packed: %s',
  async (header) => {
    const headers = { 'accept-encoding': 'gzip', [header]: 'https' };
    const answer = await app.inject({ remoteAddress: '127.0.0.1', url: '/text', headers });
    expect(answer.headers['content-encoding']).toBe('gzip');
  },
);

test.each([
  [{ kind: 'any' } as const, 'Origin'],
  [{ kind: 'listed', origins: [] } as const, 'Origin'],
  [{ kind: 'none' } as const, undefined],
])('caches are told that answers go by the origin, of requests without one too: %o', async (cors, vary) => {
  const server = serverWith(cors);
  expect((await server.inject({ url: '/short' })).headers.vary).toBe(vary);
  await server.close();
});
