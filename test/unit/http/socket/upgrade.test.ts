import { once } from 'node:events';
import { connect } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { sessionOf } from '../../../../src/http/auth/session.ts';
import { HeldBytes } from '../../../../src/http/held-bytes.ts';
import { registerSockets, type SocketOptions } from '../../../../src/http/socket/sockets.ts';
import { refusalOf } from '../../../../src/http/socket/upgrade.ts';
import { createLog } from '../../../../src/ops/log.ts';
import { poll } from '../../../support/poll.ts';

let app: FastifyInstance;
let port: number;

beforeEach(async () => {
  app = fastify();
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.post('/v1/graphql', (request) => ({ got: request.body }));
  registerSockets(app, {
    log: createLog('silent'),
    cors: { kind: 'any' },
    maxMessageBytes: 1000,
    arriving: new HeldBytes(200_000, () => undefined),
    keepAliveMs: 60_000,
    limits: { initMs: 60_000, operations: 10, requestMs: 1000, pendingBytes: 100_000, silentMs: 60_000 },
    unsent: new HeldBytes(1_000_000, () => undefined),
    authenticator: { authenticate: async () => sessionOf('user', new Map()) },
    showsInternal: () => false,
    nowMs: Date.now,
    catalogs: async function* () {},
  } as unknown as SocketOptions);
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  port = Number(new URL(address).port);
});

afterEach(() => app.close());

/** Sends bytes in pieces and reads until the server has said enough. */
async function talk(pieces: readonly string[], enough: (heard: string) => boolean): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let heard = '';
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  for await (const chunk of socket) {
    heard += String(chunk);
    if (enough(heard)) break;
  }
  socket.destroy();
  return heard;
}

const head = (more: string) =>
  `POST /v1/graphql HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n${more}\r\n`;

test.each(['h2c', 'websocket'])(
  'an offer of %s with so many headers that the last would be left out is refused',
  async (offer) => {
    const more = `Connection: Upgrade\r\nUpgrade: ${offer}\r\n${'a:\r\n'.repeat(1000)}X-Hasura-Role: user\r\n`;
    expect(await talk([head(more)], (heard) => heard.includes('}'))).toMatch(
      /^HTTP\/1.1 431 [^]*too many headers/,
    );
  },
);

test('a request that offers HTTP/2 is answered as if it had not', async () => {
  const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
  const plain = `${head('Content-Length: 3\r\n')}two`;
  const pieces = [`${head(`${offer}Content-Length: 3\r\n`)}o`, 'ne', plain];
  const heard = await talk(pieces, (text) => text.split('"got"').length === 3);
  expect(heard.match(/\{.*?\}/g)).toEqual(['{"got":"one"}', '{"got":"two"}']);
});

const ELSEWHERE =
  'GET /v1/other HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

test('a handshake elsewhere is refused', async () => {
  const heard = await talk([ELSEWHERE], () => false);
  expect(heard).toMatch(/^HTTP\/1.1 404 /);
  expect(heard).toContain(`"only '/v1/graphql' and '/v1alpha1/graphql' are supported on websockets"`);
});

test('a client that is refused and stays is let go all the same', async () => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const ended = once(socket, 'end');
  socket.on('error', () => undefined).resume();
  socket.write(ELSEWHERE);
  await ended;
  const open = (): Promise<number> =>
    new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count)));
  await poll('the connection to be closed', async () => (await open()) === 0);
  socket.destroy();
});

test('the older path takes sockets too', async () => {
  const client = new WebSocket(`ws://127.0.0.1:${port}/v1alpha1/graphql`, 'graphql-ws');
  await once(client, 'open');
  client.send('{"type":"connection_init"}');
  expect(String((await once(client, 'message'))[0])).toBe('{"type":"connection_ack"}');
});

test('of the clients that have not said who they are whoever came first makes room', async () => {
  const join = async (): Promise<WebSocket> => {
    const client = new WebSocket(`ws://127.0.0.1:${port}/v1/graphql`, 'graphql-transport-ws');
    await once(client, 'open');
    return client;
  };
  const known = await join();
  known.send('{"type":"connection_init"}');
  expect(String((await once(known, 'message'))[0])).toBe('{"type":"connection_ack"}');
  const first = await join();
  const left = once(first, 'close');
  const others = [await join(), await join(), await join()];
  expect(await left).toEqual([1013, Buffer.from('too many clients have not said yet who they are')]);
  for (const client of [known, ...others]) expect(client.readyState).toBe(WebSocket.OPEN);
});

const listed = {
  kind: 'listed',
  origins: [{ scheme: 'https', host: 'app.example', wildcard: false, port: '' }],
} as const;

test.each([
  ['https://app.example', listed, null],
  ['https://evil.example', listed, 'access-denied'],
  ['http://api.example:8080', listed, null],
  ['https://evil.example', { kind: 'none' } as const, 'access-denied'],
  ['https://evil.example', { kind: 'any' } as const, null],
  [undefined, { kind: 'none' } as const, null],
])('a page of %s may open a socket by %j: %s', (origin, cors, code) => {
  const headers = { host: 'api.example:8080', ...(origin === undefined ? {} : { origin }) };
  expect(refusalOf({ url: '/v1/graphql?x=1', headers }, cors)?.code ?? null).toBe(code);
});
