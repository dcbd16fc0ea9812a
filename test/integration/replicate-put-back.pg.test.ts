import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ConnectorError } from '../../connectors/connector.ts';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import { type Lsn, ZERO_LSN } from '../../src/core/position/lsn.ts';
import type { PostgresServer } from '../../src/embedded/server.ts';
import { freshName, silentLog } from '../support/connector.ts';
import { FeedRig } from '../support/feed.ts';
import { makePlayground, type Playground } from '../support/processes.ts';
import { type Proxy, startProxy } from '../support/proxy.ts';
import { startTarget } from '../support/servers.ts';
import { databaseBehind, once } from '../support/standby.ts';

// A target whose disks are put back to an earlier state: the same system identifier, the same timeline, the slot is
// there, and before anybody looks it has written past the cache's position.

const SET_UP = [
  'create table item (id int primary key)',
  'create table other (id int)',
  'insert into item select generate_series(1, 100)',
];

let feed: FeedRig;
let target: Machine;

beforeAll(async () => {
  target = await Machine.start();
  feed = await FeedRig.open(SET_UP, { item: [] }, databaseBehind(target.proxy, target.server));
  feed.start();
  await feed.ready();
});

afterAll(async () => {
  await feed?.close();
  await target?.close();
});

interface Address {
  readonly host: string;
  port: number;
}

/** A server whose data directory can be kept and put back. */
class Machine {
  readonly #playground: Playground;
  readonly #to: Address;
  readonly proxy: Proxy;
  #server: PostgresServer;
  #clone: PostgresServer | null = null;

  private constructor(playground: Playground, server: PostgresServer, line: { to: Address; proxy: Proxy }) {
    this.#playground = playground;
    this.#server = server;
    this.#to = line.to;
    this.proxy = line.proxy;
  }

  static async start(): Promise<Machine> {
    const playground = makePlayground();
    const server = await startTarget({ directory: join(playground.path, 'now') });
    const to = { host: server.host, port: server.port };
    return new Machine(playground, server, { to, proxy: await startProxy(to) });
  }

  get server(): PostgresServer {
    return this.#server;
  }

  keep(): Promise<void> {
    return this.#whileDown(() => promisify(execFile)('cp', ['-a', this.#path('now'), this.#path('kept')]));
  }

  putBack(): Promise<void> {
    return this.#whileDown(async () => {
      await rm(this.#path('now'), { recursive: true });
      await promisify(execFile)('mv', [this.#path('kept'), this.#path('now')]);
    });
  }

  /** Starts a clone from what was kept, to which new connections lead; the original runs on, and so do connections to it. */
  async clone(): Promise<PostgresServer> {
    this.#clone = await startTarget({ directory: this.#path('kept') });
    this.#to.port = this.#clone.port;
    return this.#clone;
  }

  /** Ends the server as a power cut would: it comes back with what its last checkpoint knew of slots. */
  async crash(): Promise<void> {
    process.kill(this.#server.pid, 'SIGQUIT');
    await this.#server.ended;
    await this.#restart();
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await Promise.all([this.#server.stop(), this.#clone?.stop()]);
    this.#playground.remove();
  }

  #path(name: string): string {
    return join(this.#playground.path, name);
  }

  async #whileDown(work: () => Promise<unknown>): Promise<void> {
    await this.#server.stop();
    await work();
    await this.#restart();
  }

  async #restart(): Promise<void> {
    this.#server = await startTarget({ directory: this.#path('now') });
    this.#to.port = this.#server.port;
  }
}

/** Has the cache follow what is written from now on, and then puts the target back to where it is now; nobody reads. */
async function lose(written: string): Promise<{ readonly at: string; readonly before: string | undefined }> {
  await feed.caughtUp();
  const before = (await feed.tableStatus('item'))?.relation;
  await feed.stop();
  await target.keep();
  feed.start();
  await feed.target.query(written);
  await feed.caughtUp();
  await feed.stop();
  await target.putBack();
  return { at: await position(), before };
}

async function position(): Promise<string> {
  const { rows } = await feed.source.query<{ at: string }>(
    'select position::text as at from nearjoin.watermark order by seq desc limit 1',
  );
  return rows[0]?.at ?? '';
}

async function goesPast(at: string): Promise<void> {
  await feed.until('the target to write past the position', async () => {
    await feed.target.query('insert into other select generate_series(1, 100)');
    const { rows } = await feed.target.query<{ past: boolean }>(
      'select pg_current_wal_lsn() > $1::pg_lsn as past',
      [at],
    );
    return rows[0]?.past === true;
  });
}

async function isCopiedAgain(before: string | undefined): Promise<void> {
  feed.log.length = 0;
  feed.start();
  await feed.copiedAgain('item', before);
  await feed.caughtUp();
  const { target: rows, cache } = await feed.contents('item');
  expect(cache).toEqual(rows);
  expect(feed.log.join('\n')).toContain('the target was put back to an earlier state');
}

test('what was applied and is not there any more: the cache is given up', async () => {
  const { at, before } = await lose('insert into item values (500)');
  await feed.target.query('insert into item values (600)');
  await goesPast(at);
  await isCopiedAgain(before);
  expect((await feed.contents('item')).cache).toHaveLength(101);
});

test('nothing was applied, and something has come since: the cache is given up', async () => {
  const { at, before } = await lose('insert into other select generate_series(1, 10000)');
  await feed.target.query('insert into item values (601)');
  await goesPast(at);
  await isCopiedAgain(before);
});

test('a target that crashed has forgotten what was confirmed: it is told again, and nothing is copied', async () => {
  await feed.caughtUp();
  const before = (await feed.tableStatus('item'))?.relation;
  for (let id = 700; id < 720; id += 1) await feed.target.query('insert into item values ($1)', [id]);
  await feed.caughtUp();
  await target.crash();
  await feed.until('the target to be back', () =>
    feed.target.query('insert into item values (800)').then(
      () => true,
      () => false,
    ),
  );
  await feed.caughtUp();
  const { target: rows, cache } = await feed.contents('item');
  expect(cache).toEqual(rows);
  expect((await feed.tableStatus('item'))?.relation).toBe(before);
});

test('a target that is started again while its feed is paused is looked after all the same', async () => {
  await feed.source.query('update nearjoin.feed set paused = true');
  await feed.until('the pause', async () => (await feed.status())?.state === 'paused');
  const heard = async (): Promise<Lsn> => (await feed.status())?.targetPosition ?? ZERO_LSN;
  // A target that is away when its feed looks has no position in the status for a moment.
  await feed.until('a position from before', async () => (await heard()) > ZERO_LSN);
  const before = await heard();
  await target.crash();
  await feed.until('the target to be heard of', async () => {
    await feed.target.query('insert into other values (1)').catch(() => undefined);
    return (await heard()) > before;
  });
  await feed.source.query('update nearjoin.feed set paused = false');
  await feed.caughtUp();
});

/** Where the address leads is otherwise looked at every few seconds. */
const LOOKING_OFTEN = { addressPollMs: 200 };

test('that the address has come to lead elsewhere ends the stream, though no connection is made for anything else', async () => {
  await feed.stop();
  let hasStrayed = false;
  feed.start({
    limits: LOOKING_OFTEN,
    onConnect: (connector) => {
      connector.strayed = () =>
        Promise.resolve(hasStrayed ? new ConnectorError('retry', 'it leads elsewhere') : null);
    },
  });
  await feed.caughtUp();
  hasStrayed = true;
  const isTold = (line: string): boolean => line.includes('feed interrupted') && line.includes('elsewhere');
  await feed.until('the stream to be given up', () => Promise.resolve(feed.log.some(isTold)));
  hasStrayed = false;
  await feed.caughtUp();
});

test('a clone of the files to which the address leads is followed, though nothing of the original breaks', async () => {
  await feed.caughtUp();
  await feed.stop();
  const other = postgresConnector({ url: feed.target.url, name: freshName(), log: silentLog });
  await other.publish([]);
  const start = await other.createSlot(new AbortController().signal);
  await target.keep();
  await other.identify();
  feed.start({ limits: LOOKING_OFTEN });
  await feed.caughtUp();
  await other.slotHealth();
  const clone = await target.clone();
  // The session that it has stays with the original, and would say of the clone's stream how far it is.
  const opening = other.open(start, null, new AbortController().signal);
  await expect(opening).rejects.toThrow('the address of the target leads to another server');
  expect((await other.strayed())?.message).toContain('leads to another server');
  await other.close();
  await once(clone.url('postgres'), 'insert into item values (900)');
  await feed.until('a row of the clone', async () => {
    const copy = (await feed.tableStatus('item'))?.relation;
    const { rows } = await feed.source.query(`select from nearjoin."${copy}" where id = 900`);
    return rows.length === 1;
  });
});
