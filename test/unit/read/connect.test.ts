import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { Turns } from '../../../src/core/waiting/turns.ts';
import { connectWire } from '../../../src/read/wire/connect.ts';
import { ConnectionLost } from '../../../src/read/wire/failure.ts';
import { SpareBuffers } from '../../../src/read/wire/spare-buffers.ts';

/** AuthenticationOk and ReadyForQuery. */
const LET_IN = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);

test('a server that lets in and then falls silent is given up', async () => {
  const server = createServer((socket) => {
    socket.once('data', () => socket.write(LET_IN));
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const options = {
    url: `postgres://me@127.0.0.1:${(server.address() as AddressInfo).port}/db`,
    connectTimeoutMs: 100,
    silenceMs: 100,
    statementTimeoutMs: 1000,
    statementLimit: 1,
    asksHistory: false,
    rowLimit: 1000,
    buffers: new SpareBuffers(),
  };
  await expect(
    connectWire(options, { onAnswered: () => undefined, onUnserved: () => undefined, cancels: new Turns(1) }),
  ).rejects.toBeInstanceOf(ConnectionLost);
  server.close();
  await once(server, 'close');
});
