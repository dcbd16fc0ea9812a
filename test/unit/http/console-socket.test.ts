import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';

const CLIENT = new URL(
  `file://${fileURLToPath(new URL('../../../src/console/graphql-client.js', import.meta.url))}`,
);

let server: WebSocketServer;

beforeEach(async () => {
  server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'graphql-transport-ws' });
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  vi.stubGlobal('location', { protocol: 'http:', host: `127.0.0.1:${port}` });
  vi.stubGlobal('sessionStorage', { getItem: () => 's3cret' });
  vi.stubGlobal('WebSocket', WebSocket);
});

afterEach(async () => {
  vi.unstubAllGlobals();
  for (const socket of server.clients) socket.terminate();
  await new Promise((closed) => server.close(closed));
});

/** What the page's end says, answered as the protocol wants, with one message of the subscription. */
async function served(): Promise<{ socket: WebSocket; heard: unknown[] }> {
  const [socket] = (await once(server, 'connection')) as [WebSocket];
  const heard: unknown[] = [];
  socket.on('message', (text: Buffer) => {
    const message = JSON.parse(String(text));
    heard.push(message);
    if (message.type === 'connection_init') socket.send('{"type":"connection_ack"}');
    if (message.type === 'subscribe') socket.send('{"id":"1","type":"next","payload":{"data":{"a":1}}}');
  });
  return { socket, heard };
}

test('a quiet subscription of the console ends when it is stopped', async () => {
  const { follow } = await import(CLIENT.href);
  const serving = served();
  const answers = follow({ query: 'subscription { a }' }, { 'x-hasura-role': 'user' });
  const { socket, heard } = await serving;
  expect(await answers.next()).toEqual({ done: false, value: { data: { a: 1 } } });
  const waiting = answers.next();
  const closed = once(socket, 'close');
  await answers.return();
  await closed;
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(heard).toEqual([
    {
      type: 'connection_init',
      payload: { headers: { 'x-hasura-admin-secret': 's3cret', 'x-hasura-role': 'user' } },
    },
    { id: '1', type: 'subscribe', payload: { query: 'subscription { a }' } },
  ]);
});

test('a subscription of the console tells of a connection that the server closed', async () => {
  const { follow } = await import(CLIENT.href);
  const serving = served();
  const answers = follow({ query: 'subscription { a }' }, {});
  const { socket } = await serving;
  await answers.next();
  socket.close(4400, 'enough');
  expect((await answers.next()).value).toEqual({
    errors: [{ message: 'the connection was closed: 4400 enough' }],
  });
  expect(await answers.next()).toEqual({ done: true, value: undefined });
});
