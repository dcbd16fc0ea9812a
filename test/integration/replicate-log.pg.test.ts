import { expect, test } from 'vitest';
import { FeedRig } from '../support/feed.ts';

test('each line of the log that a feed writes names both its databases', async () => {
  const rig = await FeedRig.open(['create table item (id int primary key)'], { item: [] });
  try {
    rig.start();
    await rig.ready();
    const begun = (): number => rig.log.filter((line) => line.startsWith('info streaming')).length;
    const before = begun();
    await rig.source.query('drop table nearjoin.cache_table');
    await rig.until('the feed to begin again', () => Promise.resolve(begun() > before));
    const ofFeed = rig.log.filter((line) => !line.startsWith('info publication changed'));
    expect(ofFeed.length).toBeGreaterThan(3);
    expect(ofFeed.filter((line) => !line.includes('{"source":"pg1","target":"pg2"'))).toEqual([]);
  } finally {
    await rig.close();
  }
});
