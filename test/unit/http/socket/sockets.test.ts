import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { NearjoinError } from '../../../../src/core/errors.ts';
import { sessionOf } from '../../../../src/http/auth/session.ts';
import { type SocketOptions, Sockets } from '../../../../src/http/socket/sockets.ts';
import { poll } from '../../../support/poll.ts';

test('of many messages that arrive together each has a turn of its own, with those of others between', async () => {
  let turn = 0;
  let counting = setImmediate(function count() {
    turn += 1;
    counting = setImmediate(count);
  });
  const turns: number[] = [];
  const server = createServer();
  const sockets = new Sockets({
    authenticator: { authenticate: () => sessionOf('user', new Map()) },
    runner: {
      prepare: () => {
        turns.push(turn);
        throw new NearjoinError('validation-failed', 'nothing is asked here');
      },
    },
    cors: { kind: 'any' },
    log: { info: () => undefined },
    showsInternal: () => false,
    limits: { initMs: 60_000, operations: 100, requestMs: 60_000, pendingBytes: 100_000, silentMs: 60_000 },
    unsent: { add: () => () => undefined },
    arriving: { hold: () => ({ grow: () => undefined, end: () => undefined }) },
    keepAliveMs: 60_000,
    maxMessageBytes: 1000,
    catalogs: async function* () {},
  } as unknown as SocketOptions);
  server.on('upgrade', (request, socket, head) => sockets.open(request, socket, head));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/v1/graphql`;
  const client = new WebSocket(url, 'graphql-transport-ws');
  const raw = new Promise<Socket>((resolve) => client.once('upgrade', ({ socket }) => resolve(socket)));
  await once(client, 'open');
  client.send('{"type":"connection_init"}');
  await once(client, 'message');
  (await raw).cork();
  for (let id = 0; id < 20; id += 1)
    client.send(`{"id":"${id}","type":"subscribe","payload":{"query":"{ a }"}}`);
  (await raw).uncork();
  await poll('all are answered', () => turns.length === 20);
  expect(new Set(turns).size).toBe(20);
  clearImmediate(counting);
  client.terminate();
  await sockets.close();
  server.close();
});
