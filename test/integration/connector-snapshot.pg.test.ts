import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { ConnectorError, type Piece, type Snapshot } from '../../connectors/connector.ts';
import type { Lsn } from '../../src/core/position/lsn.ts';
import type { PieceCursor } from '../../src/core/rows/piece-cursor.ts';
import { itemsUntilNow, startFeed, table } from '../support/connector.ts';
import { poll } from '../support/poll.ts';
import { hasTestServer, testServer, type Which } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';

const SERVERS: readonly Which[] = ['target', 'target15'];
const COPIES = 6;
const REWRITES: readonly (readonly [what: string, statement: string])[] = [
  ['a truncate', 'truncate t'],
  ['a change of type', 'alter table t alter column v type bigint'],
  ['a volatile default', 'alter table t add column r float8 default random()'],
  ['a truncate of one partition', 'truncate m1'],
  ['a change of type of all partitions', 'alter table m alter column v type bigint'],
  ['a partition that goes', 'alter table m detach partition m2'],
];
const WRITERS = 4;

describe.each(SERVERS)('a snapshot of %s', (which) => {
  const on = test.skipIf(!hasTestServer(which));

  on('holds a row exactly when its commit ends at or before the position, while others write', async () => {
    await using feed = await startFeed(
      which,
      ['create table a (id bigserial primary key)', 'create table b (id bigint primary key)'],
      [table('a'), table('b')],
    );
    let isWriting = true;
    const writers = Array.from({ length: WRITERS - 1 }, async () => {
      while (isWriting) {
        await feed.database.query(
          'with n as (insert into a default values returning id) insert into b select id from n',
        );
      }
    });
    const copies: { at: Lsn; a: Set<string>; b: Set<string> }[] = [];
    for (let index = 0; index < COPIES; index += 1) {
      const snapshot = await feed.connector.snapshot(new AbortController().signal);
      const [a, b] = await Promise.all([
        snapshot.copy({ table: table('a'), columns: ['id'] }).then(text),
        snapshot.copy({ table: table('b'), columns: ['id'] }).then(text),
      ]);
      await snapshot.close();
      copies.push({ at: snapshot.at, a: idsOf(a), b: idsOf(b) });
    }
    isWriting = false;
    await Promise.all(writers);

    const stop = new AbortController();
    const stream = await feed.connector.open(feed.start, null, stop.signal);
    const items = await itemsUntilNow(feed, stream);
    stop.abort();
    const commitOf = new Map<string, Lsn>();
    let pending: string[] = [];
    for (const item of items) {
      if (item.kind === 'insert') pending.push(String(item.after.cell(0)));
      if (item.kind !== 'commit') continue;
      for (const id of pending) commitOf.set(id, item.end);
      pending = [];
    }
    for (const copy of copies) {
      const expected = [...commitOf].filter(([, end]) => end <= copy.at).map(([id]) => id);
      expect([...copy.a].sort()).toEqual([...expected].sort());
      expect([...copy.b].sort()).toEqual([...expected].sort());
    }
    expect(commitOf.size).toBeGreaterThan(copies.at(-1)?.a.size ?? 0);
    expect(copies.at(-1)?.a.size).toBeGreaterThan(0);
  });

  on('holds back no log while it is open, and leaves no session behind', async () => {
    await using feed = await startFeed(which, ['create table t (id int primary key)'], [table('t')]);
    const snapshot = await feed.connector.snapshot(new AbortController().signal);
    await poll('the temporary slot to go', async () => {
      const { rows } = await feed.database.query(
        'select from pg_replication_slots where temporary and database = current_database()',
      );
      return rows.length === 0;
    });
    await feed.database.query('insert into t values (1)');
    const rows = await snapshot.copy({ table: table('t'), columns: ['id'] });
    rows.destroy();
    const finished = await snapshot.copy({ table: table('t'), columns: ['id'] });
    expect(await text(finished)).toBe('');
    await snapshot.close();
    await poll('only our slot to be left', async () => {
      const slots = await feed.database.query(
        'select from pg_replication_slots where database = current_database()',
      );
      const copies = await feed.database.query(
        `select from pg_stat_activity where datname = current_database() and query ~ '^copy'`,
      );
      return slots.rowCount === 1 && copies.rowCount === 0;
    });
  });

  on('lets go of a table that was read, and reads the next in the same session', async () => {
    await using feed = await startFeed(
      which,
      ['create table t (id int primary key)', 'create table u (id int primary key)'],
      [table('t'), table('u')],
    );
    const snapshot = await feed.connector.snapshot(new AbortController().signal);
    expect(await text(await snapshot.copy({ table: table('t'), columns: ['id'] }))).toBe('');
    await feed.database.query('alter table t add column more int');
    const open = async (query: string): Promise<number> => {
      const { rows } = await feed.database.query(
        `select from pg_stat_activity where datname = current_database() and application_name = 'nearjoin'
           and state = 'idle in transaction' and query like $1`,
        [query],
      );
      return rows.length;
    };
    await poll('the session to be free', async () => (await open('rollback%')) === 1);
    expect(await text(await snapshot.copy({ table: table('u'), columns: ['id'] }))).toBe('');
    // One keeps the snapshot, the other reads.
    await poll('both to be at rest', async () => (await open('%')) === 2);
    await snapshot.close();
  });

  on('copies a partitioned table whole', async () => {
    await using feed = await startFeed(
      which,
      [
        'create table m (k int primary key, v text) partition by range (k)',
        'create table m1 partition of m for values from (0) to (10)',
        'create table m2 partition of m for values from (10) to (20)',
        `insert into m values (1, 'a'), (11, null)`,
      ],
      [table('m')],
    );
    const snapshot = await feed.connector.snapshot(new AbortController().signal);
    expect(await text(await snapshot.copy({ table: table('m'), columns: ['v', 'k'] }))).toBe(
      'a\t1\n\\N\t11\n',
    );
    await snapshot.close();
  });

  on('reads a table piece by piece, each row once, from snapshots of different times', async () => {
    await using feed = await startFeed(
      which,
      [
        'create table m (k int primary key, v text) partition by range (k)',
        'create table m1 partition of m for values from (0) to (100)',
        'create table m2 partition of m for values from (100) to (1000)',
        `insert into m select i, rpad('v', 700) from generate_series(0, 399) i`,
      ],
      [table('m')],
    );
    const from = { table: table('m'), columns: ['k'] };
    const read: string[] = [];
    let cursor: PieceCursor | null = null;
    let pieces = 0;
    do {
      const snapshot: Snapshot = await feed.connector.snapshot(new AbortController().signal);
      const piece: Piece | null = await snapshot.piece(from, cursor, 4 * 8192);
      if (piece === null) throw new Error('not rewritten');
      read.push(...idsOf(await text(piece.rows)));
      await snapshot.close();
      await feed.database.query(
        `insert into m select 400 + ${pieces} * 9 + i, 'later' from generate_series(0, 8) i`,
      );
      ({ cursor } = piece);
      pieces += 1;
    } while (cursor.next < cursor.end);
    expect(pieces).toBeGreaterThan(5);
    const old = read.map(Number).filter((k) => k < 400);
    expect(old.sort((a, b) => a - b)).toEqual(Array.from({ length: 400 }, (_, k) => k));
    expect(new Set(read).size).toBe(read.length);
  });

  on.each(REWRITES)('has no further piece of a table after %s', async (_what, statement) => {
    await using feed = await startFeed(
      which,
      [
        'create table t (id int primary key, v int)',
        'insert into t select i, 1 from generate_series(1, 2000) i',
        'create table m (k int primary key, v int) partition by range (k)',
        'create table m1 partition of m for values from (0) to (10)',
        'create table m2 partition of m for values from (10) to (20000)',
        'insert into m select i, 1 from generate_series(1, 2000) i',
      ],
      [table('t'), table('m')],
    );
    const from = { table: table(/ m[12]?\b/.test(statement) ? 'm' : 't'), columns: ['v'] };
    const snapshot = await feed.connector.snapshot(new AbortController().signal);
    const first = await snapshot.piece(from, null, 1);
    if (first === null) throw new Error('not rewritten');
    await text(first.rows);
    await feed.database.query(statement);
    expect(await snapshot.piece(from, first.cursor, 1)).toBeNull();
    await snapshot.close();
    const later = await feed.connector.snapshot(new AbortController().signal);
    expect(await later.piece(from, first.cursor, 1)).toBeNull();
    await later.close();
  });

  on('finds rows by their keys, of any type', async () => {
    await using feed = await startFeed(
      which,
      [
        `create type mood as enum ('good', 'bad')`,
        'create table t (a mood, b numeric, v text[], primary key (b, a))',
        `insert into t values ('good', 1.50, '{x,null}'), ('bad', 2, null), ('bad', 3, '{}')`,
      ],
      [table('t')],
    );
    const snapshot = await feed.connector.snapshot(new AbortController().signal);
    const keys = [
      ['good', '1.5'],
      ['bad', '3'],
      ['good', '3'],
    ];
    const rows = await snapshot.rows({ table: table('t'), columns: ['a', 'b', 'v'] }, ['a', 'b'], keys);
    await snapshot.close();
    expect(new Map(rows.map((row) => [row[1], row]))).toEqual(
      new Map([
        ['3', ['bad', '3', '{}']],
        ['1.50', ['good', '1.50', '{x,NULL}']],
      ]),
    );
  });

  on.each(REWRITES)('does not take a table for empty after %s', async (_what, statement) => {
    await using feed = await startFeed(
      which,
      [
        'create table t (id int primary key, v int)',
        'insert into t values (1, 1)',
        'create table m (k int primary key, v int) partition by range (k)',
        'create table m1 partition of m for values from (0) to (10)',
        'create table m2 partition of m for values from (10) to (20)',
        'insert into m values (1, 1), (11, 1)',
        'create table other (id int primary key)',
        'insert into other values (7)',
      ],
      [table('t'), table('m'), table('other')],
    );
    const snapshot = await feed.connector.snapshot(new AbortController().signal);
    await feed.database.query(statement);
    const changed = table(/ m[12]?\b/.test(statement) ? 'm' : 't');
    const error = await snapshot.copy({ table: changed, columns: ['v'] }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ failure: 'retry', message: expect.stringContaining('rewritten') });
    expect(await text(await snapshot.copy({ table: table('other'), columns: ['id'] }))).toBe('7\n');
    await snapshot.close();
    const again = await feed.connector.snapshot(new AbortController().signal);
    const { rows } = await feed.database.query<{ n: number }>(
      `select count(*)::int as n from ${changed.name}`,
    );
    expect((await text(await again.copy({ table: changed, columns: ['v'] }))).split('\n')).toHaveLength(
      (rows[0]?.n ?? 0) + 1,
    );
    await again.close();
  });

  on('waits for running transactions, and an abort ends the wait on the server too', async () => {
    await using feed = await startFeed(which, ['create table t (id int primary key)'], [table('t')]);
    const waiting = (): Promise<{ rowCount: number | null }> =>
      feed.database.query(
        `select from pg_stat_activity where datname = current_database() and backend_type = 'walsender'`,
      );
    // Four statements at once would share sessions: this one keeps its own open transaction.
    const blocker = feed.database
      .query(`do $$ begin insert into t values (1); perform pg_sleep(600); end $$`)
      .catch(() => undefined); // ended below
    await poll('the other transaction to run', async () => {
      const found = await feed.database.query(
        `select from pg_stat_activity where datname = current_database() and backend_xid is not null`,
      );
      return found.rowCount === 1;
    });
    const stop = new AbortController();
    const opening = feed.connector.snapshot(stop.signal).catch((error: unknown) => error);
    await poll('the snapshot to wait', async () => (await waiting()).rowCount === 1);
    stop.abort();
    expect(await opening).toBeInstanceOf(ConnectorError);
    await poll('the walsender to end', async () => (await waiting()).rowCount === 0);
    await feed.database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and query like 'do %' and pid <> pg_backend_pid()`,
    );
    await blocker;
  });
});

describe('a copy that cannot be finished', () => {
  const set = [
    'create table t (id int primary key, v text)',
    `insert into t select n, repeat('x', 500) from generate_series(1, 100000) n`,
  ];

  test('fails with a classed error when its session is ended', async () => {
    await using feed = await startFeed('target', set, [table('t')]);
    const snapshot = await feed.connector.snapshot(new AbortController().signal);
    const rows = await snapshot.copy({ table: table('t'), columns: ['id', 'v'] });
    await new Promise((resolve) => rows.once('readable', resolve));
    await feed.database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and query ~ '^copy' and pid <> pg_backend_pid()`,
    );
    const error = await text(rows).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConnectorError);
    await snapshot.close();
  });

  test('fails by itself when its connection goes silent', async () => {
    await using feed = await startFeed('target', set, [table('t')]);
    await using proxy = await startProxy(testServer('target'));
    const timings = { tickMs: 100, silenceMs: 4_000, statementMs: 6_000 };
    const connector = feed.again({ url: proxy.through(feed.database.url), timings });
    const snapshot = await connector.snapshot(new AbortController().signal);
    const rows = await snapshot.copy({ table: table('t'), columns: ['id', 'v'] });
    await new Promise((resolve) => rows.once('readable', resolve));
    proxy.setMode('black-hole');
    const error = await text(rows).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConnectorError);
    await snapshot.close();
  });

  test('a missing column names itself, and harms nobody when its rows are read later', async () => {
    await using feed = await startFeed('target', set, [table('t')]);
    const snapshot = await feed.connector.snapshot(new AbortController().signal);
    const rows = await snapshot.copy({ table: table('t'), columns: ['id', 'gone'] });
    await new Promise((resolve) => rows.once('close', resolve));
    const error = await text(rows).catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/column "gone" .*does not exist/);
    await snapshot.close();
  });
});

function idsOf(copied: string): Set<string> {
  return new Set(copied.split('\n').slice(0, -1));
}
