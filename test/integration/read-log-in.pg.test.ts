import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PLAIN, WireRig } from '../support/wire-rig.ts';

let rig: WireRig;

beforeAll(async () => {
  rig = await WireRig.make(['revoke execute on function pg_control_system() from public']);
});

afterAll(() => rig?.drop());

/** The server is ready for the next query. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
const DENIED = '42501';

/** A way to the server on which its word that it is ready comes late after it has refused something. */
async function slowWay(to: { readonly host: string; readonly port: number }) {
  const server = createServer((client) => {
    const behind = connect(to);
    for (const socket of [client, behind]) {
      socket.on('error', () => undefined);
      socket.on('close', () => [client, behind].forEach((one) => void one.destroy()));
    }
    let isRefused = false;
    let isAsked = false;
    client.on('data', (data) => {
      isAsked = true;
      behind.write(data);
    });
    const passOn = async (data: Buffer): Promise<void> => {
      behind.pause();
      isRefused ||= data.includes(DENIED);
      const isLate = isRefused && data.subarray(-READY.length).equals(READY);
      client.write(isLate ? data.subarray(0, -READY.length) : data);
      isAsked = false;
      // Who does not wait for it asks for more as soon as the refusal is read.
      for (let turns = 0; isLate && !isAsked && turns < 5_000; turns += 1) await turn();
      if (isLate) client.write(READY);
      isRefused &&= !isLate;
      behind.resume();
    };
    behind.on('data', (data) => void passOn(data));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('nobody listens');
  return { port: address.port, close: () => void server.close() };
}

test('a server that keeps to itself which history it writes is read all the same, each request with its own answer', async () => {
  const role = `${rig.database.name}_reader`;
  await rig.database.query(`create role ${role} login password 'secret'`);
  const there = new URL(rig.database.url);
  const way = await slowWay({ host: there.hostname, port: Number(there.port) });
  const url = Object.assign(new URL(there), {
    username: role,
    password: 'secret',
    hostname: '127.0.0.1',
    port: String(way.port),
  }).href;
  const pool = rig.open({ url, asksHistory: true });
  const statements = ['select 1', 'select 2', 'select 3'].map((text) => ({ text, values: [] }));
  const { answers, history } = await pool.answers(statements, PLAIN);
  expect(answers.flat(2).map(String)).toEqual(['1', '2', '3']);
  expect(history).toBeNull();
  await rig.closePools();
  way.close();
});
