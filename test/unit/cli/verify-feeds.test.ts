import { expect, test } from 'vitest';
import { type ComparedFeed, whyStuck } from '../../../src/cli/verify-feeds.ts';
import { printProgress } from '../../../src/cli/verify-table.ts';

const feed: ComparedFeed = {
  target: 'pg2',
  state: 'streaming',
  reason: null,
  staleness_ms: 100,
};

test.each<[name: string, ComparedFeed | undefined, unmovedMs: number, said: string | null]>([
  ['it streams', feed, 3_600_000, null],
  ['it is gone', undefined, 0, 'the feed is gone'],
  ['it is paused', { ...feed, state: 'paused' }, 0, 'the feed is paused'],
  ['it is between two tries', { ...feed, state: 'retrying', reason: 'no route' }, 29_000, null],
  ['it fails for long', { ...feed, state: 'retrying', reason: 'no route' }, 30_000, '(retrying: no route)'],
  ['nobody leads it', { ...feed, staleness_ms: 31_000 }, 30_000, 'no replicator seems to lead the feed'],
  ['nobody ever led it', { ...feed, staleness_ms: null }, 30_000, 'no replicator seems to lead the feed'],
])('%s', (_name, status, unmovedMs, said) => {
  const why = whyStuck(status, unmovedMs);
  if (said === null) expect(why).toBeNull();
  else expect(why).toContain(said);
});

test.each([
  ['streaming', 'waiting for its turn'],
  ['retrying', 'waiting for the feed to stream'],
])('what was asked of a feed that is %s is %s', (state, said) => {
  const asked = {
    id: '7',
    source: 'pg1',
    target: 'pg2',
    state: 'asked',
    reason: null,
    repair: false,
    tables: [],
  };
  expect(printProgress(asked, state)).toBe(`pg2 -> pg1  ${said}`);
});
