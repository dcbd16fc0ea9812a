import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Ends, startRelay } from '../support/relay.ts';
import { PLAIN, WireRig } from '../support/wire-rig.ts';

let rig: WireRig;

beforeAll(async () => {
  rig = await WireRig.make(['revoke execute on function pg_control_system() from public']);
});

afterAll(() => rig?.drop());

/** The server is ready for the next query. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
const DENIED = '42501';

/** Carries bytes so that the server's word that it is ready comes late after it has refused something. */
function lateWhenRefused({ client, server }: Ends): void {
  let isRefused = false;
  let isAsked = false;
  client.on('data', (data) => {
    isAsked = true;
    server.write(data);
  });
  const passOn = async (data: Buffer): Promise<void> => {
    server.pause();
    isRefused ||= data.includes(DENIED);
    const isLate = isRefused && data.subarray(-READY.length).equals(READY);
    client.write(isLate ? data.subarray(0, -READY.length) : data);
    isAsked = false;
    // Who does not wait for it asks for more as soon as the refusal is read.
    for (let turns = 0; isLate && !isAsked && turns < 5_000; turns += 1) await turn();
    if (isLate) client.write(READY);
    isRefused &&= !isLate;
    server.resume();
  };
  server.on('data', (data) => void passOn(data));
}

test('a server that keeps to itself which history it writes is read all the same, each request with its own answer', async () => {
  const role = `${rig.database.name}_reader`;
  await rig.database.query(`create role ${role} login password 'secret'`);
  const there = new URL(rig.database.url);
  await using way = await startRelay({ host: there.hostname, port: Number(there.port) }, lateWhenRefused);
  const url = way.through(Object.assign(there, { username: role, password: 'secret' }).href);
  const pool = rig.open({ url, asksHistory: true });
  const statements = ['select 1', 'select 2', 'select 3'].map((text) => ({ text, values: [] }));
  const { answers, history } = await pool.answers(statements, PLAIN);
  expect(answers.flat(2).map(String)).toEqual(['1', '2', '3']);
  expect(history).toBeNull();
  await rig.closePools();
});
