import { afterAll, beforeAll, expect, test } from 'vitest';
import { StatusPools } from '../../src/cache/status/status-pools.ts';
import { openMetadataStore } from '../../src/metadata/store.ts';
import { logInto } from '../support/log-lines.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { type Ends, type Relay, startRelay } from '../support/relay.ts';

// A connection may be lost at any moment. The moment after the log-in is one in which a pool does not listen to it.

let database: TestDatabase;
let relay: Relay;
const uncaught: unknown[] = [];
const record = (error: unknown): void => void uncaught.push(error);

/** Carries bytes until our settings are sent over a connection: that one is lost, without a word. */
function cutWhileSetUp({ client, server }: Ends): void {
  client.on('data', (data) => (data.includes('synchronous_commit') ? server.destroy() : server.write(data)));
  server.on('data', (data) => client.write(data));
}

beforeAll(async () => {
  database = await createDatabase('source');
  const { hostname: host, port } = new URL(database.url);
  relay = await startRelay({ host, port: Number(port) }, cutWhileSetUp);
  process.on('uncaughtException', record);
});

afterAll(async () => {
  process.off('uncaughtException', record);
  await relay?.[Symbol.asyncDispose]();
  await database?.drop();
});

test('a connection for the status that is lost while it is set up fails what was asked over it, and nothing else', async () => {
  const urls = new Map([['pg1', relay.through(database.url)]]);
  const pools = new StatusPools(
    () => urls,
    () => undefined,
  );
  await expect(pools.status('pg1')).rejects.toThrow('Connection terminated unexpectedly');
  await pools.close();
  expect(uncaught).toEqual([]);
});

test('a connection to the metadata database that is lost while it is set up fails the start with a reason', async () => {
  const opening = openMetadataStore({ url: relay.through(database.url), log: logInto([]) });
  await expect(opening).rejects.toMatchObject({ code: 'start-failed' });
  expect(uncaught).toEqual([]);
});
