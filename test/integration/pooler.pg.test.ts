import net from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { WirePool } from '../../src/read/wire/pool.ts';
import { SpareBuffers } from '../../src/read/wire/spare-buffers.ts';
import { Session } from '../../src/replicate/session.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

/** For sessions that nobody stops. */
const NEVER: AbortSignal = new AbortController().signal;

const closing: (() => Promise<unknown>)[] = [];

afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

const QUERY = 0x51;
const KEY_DATA = 0x4b;
const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4]);

/** What a pooler does with the sessions it has: gives each to one client, to whoever asks, or to one client after the other. */
type Pooling = 'own' | 'shared' | 'kept';

interface Pair {
  readonly client: net.Socket;
  server: net.Socket;
}

/**
 * Stands between clients and the server as a pooler does: log-ins pass, with another key for the session. Where sessions are
 * shared, a client that asks its first question gets the session of whoever asked last, who gets its own.
 */
async function pooler(database: TestDatabase, pooling: Pooling): Promise<string> {
  let last: Pair | null = null;
  const proxy = net.createServer((client) => {
    const pair: Pair = { client, server: net.connect(database.server.port, database.server.host) };
    let hasAsked = false;
    client.on('data', (chunk) => {
      if (chunk[0] === QUERY && !hasAsked) {
        hasAsked = true;
        if (pooling === 'shared' && last?.client.destroyed === false) swap(last, pair);
        last = pair;
      }
      if (pooling !== 'kept' || !chunk.equals(TERMINATE)) pair.server.write(chunk);
    });
    listen(pair);
    const end = (): unknown => pair.server.destroy();
    if (pooling === 'kept') closing.push(async () => end());
    client.on('error', () => undefined).on('close', () => pooling !== 'kept' && end());
  });
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
  closing.push(() => new Promise((done) => proxy.close(done)));
  const { port } = proxy.address() as net.AddressInfo;
  return database.url.replace(`:${database.server.port}/`, `:${port}/`);
}

function listen(pair: Pair): void {
  const { client, server } = pair;
  for (const event of ['data', 'error', 'close']) server.removeAllListeners(event);
  server.on('data', (chunk) => client.write(withOtherKey(chunk)));
  server.on('error', () => undefined).on('close', () => client.destroy());
}

function swap(one: Pair, two: Pair): void {
  [one.server, two.server] = [two.server, one.server];
  listen(one);
  listen(two);
}

/** The message with the session's key comes before the first of a session's answers is through. */
function withOtherKey(chunk: Buffer): Buffer {
  for (let at = 0; at + 5 <= chunk.length; at += 1 + chunk.readInt32BE(at + 1))
    if (chunk[at] === KEY_DATA && chunk.readInt32BE(at + 1) >= 12) chunk.writeInt32BE(-1, at + 5);
  return chunk;
}

function reader(url: string): WirePool {
  const pool = new WirePool({
    url,
    size: 1,
    loans: () => 1,
    loanTimeoutMs: 10_000,
    connectTimeoutMs: 10_000,
    silenceMs: 10_000,
    statementTimeoutMs: 10_000,
    rowLimit: 1_000_000,
    statementLimit: 3,
    asksHistory: false,
    buffers: new SpareBuffers(),
  });
  closing.push(() => pool.close());
  return pool;
}

test('a proxy that gives sessions away between transactions is refused, one that does not serves', async () => {
  const database = await createDatabase('source');
  closing.push(() => database.drop());
  const [shared, own] = [await pooler(database, 'shared'), await pooler(database, 'own')];
  const session = (url: string): Promise<Session> =>
    Session.open({ url, applicationName: 'nearjoin test' }, NEVER);
  await expect(session(shared)).rejects.toThrow('pool_mode = session');
  await (await session(own)).close();
  const plain = { signal: null, prepared: true };
  await expect(reader(shared).run('select 1', [], plain)).rejects.toThrow('no connection to the database');
  expect(await reader(own).run('select 1', [], plain)).toEqual([[Buffer.from('1')]]);
});

test('a session that a proxy keeps for its next client is left without locks and settings', async () => {
  const database = await createDatabase('source');
  closing.push(() => database.drop());
  const url = await pooler(database, 'kept');
  const session = await Session.open({ url, applicationName: 'nearjoin test' }, NEVER);
  await session.client.query('select pg_advisory_lock(1)');
  await session.close();
  const { rows } = await database.query(
    `select (select count(*)::int from pg_locks where pid = $1 and locktype = 'advisory') as locks
     from pg_stat_activity where pid = $1`,
    [session.pid],
  );
  expect(rows).toEqual([{ locks: 0 }]);
});
