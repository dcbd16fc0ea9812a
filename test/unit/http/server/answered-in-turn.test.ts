import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { answerInTurn } from '../../../../src/http/server/answered-in-turn.ts';
import { poll } from '../../../support/poll.ts';

let app: FastifyInstance;
let begun: string[];
let letGo: (() => void)[];

beforeEach(async () => {
  begun = [];
  letGo = [];
  app = fastify();
  answerInTurn(app);
  app.get<{ Params: { id: string } }>('/:id', async ({ params: { id } }) => {
    begun.push(id);
    await new Promise<void>((resolve) => letGo.push(resolve));
    return `<${id}>`;
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
});

afterEach(() => app.close());

/** A client that asks for all of these at once. */
function asking(paths: readonly string[]): {
  readonly socket: Socket;
  readonly heard: () => readonly string[];
} {
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (data) => {
    text += String(data);
  });
  socket.on('error', () => undefined);
  socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
  return { socket, heard: () => text.match(/<\w+>|"statusCode":\d+/g) ?? [] };
}

test('a request of a connection begins when the one before it is answered, while others are not held up', async () => {
  const { socket, heard } = asking(['/a', '/b?c', '/%zz', '/d']);
  await poll('the first', () => begun.length === 1);
  const other = asking(['/e']);
  await poll('that of another', () => begun.length === 2);
  for (const [answered, order] of [
    [0, ['a', 'e', 'b']],
    [2, ['a', 'e', 'b', 'd']],
  ] as const) {
    letGo[answered]?.();
    await poll('the next', () => begun.length === order.length);
    expect(begun).toEqual(order);
  }
  for (const last of [1, 3]) letGo[last]?.();
  await poll('all answers', () => heard().length + other.heard().length === 5);
  expect(heard()).toEqual(['<a>', '<b>', '"statusCode":400', '<d>']);
  expect(other.heard()).toEqual(['<e>']);
  for (const one of [socket, other.socket]) one.destroy();
});

test('who sends hundreds without waiting is cut off', async () => {
  const { socket } = asking(Array.from({ length: 300 }, (_, n) => `/n${n}`));
  await once(socket, 'close');
  expect(begun).toEqual(['n0']);
});
