import { afterEach, expect, test } from 'vitest';
import { EARLY, EARLY_TARGET, streamingEarly } from '../support/early.ts';
import { FeedRig } from '../support/feed.ts';

let rig: FeedRig | undefined;

afterEach(() => rig?.close());

test.each([
  ['', ''],
  [' at the end of a large transaction', 'insert into other select generate_series(1, 2000); '],
])(
  'a change with values that were not sent, of a row the copy lacks, makes another copy%s',
  async (_, ahead) => {
    const doc = await FeedRig.open(
      [
        EARLY_TARGET,
        'create table doc (id int primary key, n int not null, body text)',
        'alter table doc alter column body set storage external',
        `insert into doc select g, 0, repeat('x', 3000) from generate_series(1, 20) g`,
        'create table other (id int primary key)',
      ],
      { doc: [], other: [] },
    );
    rig = doc;
    doc.start({ limits: EARLY });
    await streamingEarly(doc);
    const before = (await doc.tableStatus('doc'))?.relation;
    await doc.source.query(`delete from nearjoin."${before}" where id = 7`);
    await doc.target.query(`${ahead}update doc set n = 1 where id = 7`);
    await doc.copiedAgain('doc', before);
    await doc.caughtUp();
    const { target, cache } = await doc.contents('doc');
    expect(cache).toEqual(target);
  },
);

test('a key that changes in a partition of another identity than the whole keeps the values that were not sent', async () => {
  const doc = await FeedRig.open(
    [
      'create table doc (id int primary key, n int not null, body text) partition by range (id)',
      'alter table doc replica identity full',
      // Identities are not inherited: this one has the default.
      'create table doc_1 partition of doc for values from (0) to (1000)',
      'alter table doc_1 alter column body set storage external',
      `insert into doc select g, 0, repeat('x', 3000) from generate_series(1, 20) g`,
    ],
    { doc: [] },
  );
  rig = doc;
  doc.start();
  await doc.ready();
  await doc.target.query('update doc set id = id + 100, n = 1 where id <= 2');
  await doc.caughtUp();
  const { target, cache } = await doc.contents('doc');
  expect(cache).toEqual(target);
});
