import { afterEach, expect, test } from 'vitest';
import { FeedRig } from '../support/feed.ts';

// Values as large as Postgres lets them be in practice, by the copy and by the stream.

let rig: FeedRig;

afterEach(() => rig?.close());

const MEGABYTES = Number(process.env['NEARJOIN_TEST_LARGE_MB'] ?? 20);

async function digests(name: 'target' | 'source', from: string): Promise<unknown> {
  const { rows } = await rig[name].query(
    `select id, length(t) as chars, md5(t) as text, md5(b) as bytes from ${from} order by id`,
  );
  return rows;
}

test('values of many megabytes are copied, streamed and left alone', async () => {
  const text = `repeat('0123456789abcdeé', ${MEGABYTES} * 1000000 / 17)`;
  rig = await FeedRig.open(
    [
      'create table big (id int primary key, n int, t text, b bytea)',
      `insert into big values (1, 1, ${text}, null)`,
    ],
    { big: [] },
  );
  rig.start();
  await rig.until('the copy', async () => (await rig.tableStatus('big'))?.state.kind === 'ready');
  await rig.target.query(
    `insert into big values (2, 1, ${text} || 'x', decode(repeat('00ff', ${MEGABYTES / 10} * 250000), 'hex'))`,
  );
  await rig.target.query('update big set n = 2');
  await rig.until('the rows', async () => {
    const { rows } = await rig.source.query(
      `select from nearjoin."${(await rig.tableStatus('big'))?.relation}" where n = 2`,
    );
    return rows.length === 2;
  });
  const cached = `nearjoin."${(await rig.tableStatus('big'))?.relation}"`;
  expect(await digests('source', cached)).toEqual(await digests('target', 'big'));
});

// Needs two gigabytes for a moment, and a minute on a busy machine.
test.runIf(MEGABYTES >= 500)(
  'a row that Postgres cannot send costs its own table the cache, and stops no other',
  async () => {
    rig = await FeedRig.open(
      [
        `create type mood as enum ('sad')`,
        // Copied as text because of its enum: in binary it could be.
        'create table big (id int primary key, b bytea, m mood)',
        'create table small (id int primary key)',
      ],
      { big: [], small: [] },
    );
    await rig.target.query(`alter table big alter b set compression ${await fastestCompression()}`);
    rig.start();
    await rig.ready();
    const before = (await rig.tableStatus('small'))?.relation;
    // A byte of bytea is two of text, and none may be longer than 1 GB.
    await rig.target.query(`insert into big values (1, convert_to(repeat('x', 540000000), 'UTF8'))`);
    await rig.target.query('insert into small values (1)');
    await rig.copiedAgain('small', before, 60_000);
    const said = /a row is larger than Postgres can send.* leave its table out of the cache/;
    await rig.until('the large one to be left out', async () => {
      const state = (await rig.tableStatus('big'))?.state;
      return state?.kind === 'failed' && said.test(state.reason);
    });
    expect((await rig.status())?.lastError).toMatch(said);
    // Nor does another change of it.
    await rig.target.query(`update big set b = b || '\\x00'`);
    await rig.target.query('insert into small values (2)');
    await rig.caughtUp();
    const now = await rig.contents('small');
    expect(now.cache).toEqual(now.target);
  },
);

async function fastestCompression(): Promise<string> {
  const { rows } = await rig.target.query<{ has: boolean }>(
    `select 'lz4' = any(enumvals) as has from pg_settings where name = 'default_toast_compression'`,
  );
  return rows[0]?.has === true ? 'lz4' : 'pglz';
}
