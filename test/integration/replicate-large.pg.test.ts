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
