import { expect, test } from 'vitest';
import type { CacheStatus, FeedStatus } from '../../../src/cache/status/cache-table.ts';
import { printFeeds, progressBar } from '../../../src/cli/status-table.ts';
import { parseLsn } from '../../../src/core/position/lsn.ts';
import { Metrics } from '../../../src/ops/metrics.ts';
import { type ReplicationView, reportFeeds } from '../../../src/ops/replication.ts';
import { serverError } from '../../support/server-error.ts';

const NOW = 1_000_000_000;

function feed(over: Partial<FeedStatus> = {}): FeedStatus {
  return {
    target: 'pg2',
    connector: 'postgres',
    state: 'streaming',
    reason: null,
    heardAt: NOW - 900_000,
    slot: 'nearjoin_x',
    lastError: null,
    position: parseLsn('0/100'),
    freshAsOf: NOW - 50_000,
    identity: null,
    history: null,
    targetPosition: parseLsn('0/180'),
    retainedWalBytes: 8192,
    transactionsApplied: 31,
    early: null,
    verifiedAt: null,
    rowsDiffering: null,
    changesApplied: 120,
    tables: [
      {
        target: 'pg2',
        table: { schema: 'public', name: 'users' },
        relation: 'pg2__public__users__g1',
        columns: [],
        state: { kind: 'copying' },
        rowsCopied: 50,
        doing: null,
        serving: null,
        rowsEstimated: 200,
      },
    ],
    ...over,
  };
}

function view(
  statuses: Record<string, CacheStatus | Error>,
  over: Partial<ReplicationView> = {},
): ReplicationView {
  return {
    sources: () => Object.keys(statuses),
    status: async (source) => {
      const status = statuses[source];
      if (status === undefined || status instanceof Error) throw status ?? new Error('unknown');
      return status;
    },
    wanted: () => [{ source: 'pg1', target: 'pg2', connector: 'postgres', tables: [] }],
    identity: () => null,
    installation: { id: 'ours', copyOf: 'original' },
    newerFreshness: () => null,
    ...over,
  };
}

const status = (...feeds: FeedStatus[]): CacheStatus => ({
  now: NOW,
  owner: null,
  feeds: new Map(feeds.map((one) => [one.target, one])),
  barred: null,
});

test('a feed is printed as the contract says', async () => {
  expect(await reportFeeds(view({ pg1: status(feed()) }))).toEqual([
    {
      target: 'pg2',
      source: 'pg1',
      connector: 'postgres',
      state: 'streaming',
      reason: null,
      slot: 'nearjoin_x',
      position: '0/100',
      target_position: '0/180',
      staleness_ms: 50,
      lag_bytes: 128,
      retained_wal_bytes: 8192,
      transactions_applied: 31,
      changes_applied: 120,
      early_transactions: 0,
      early_changes: 0,
      early_age_ms: null,
      verified_at: null,
      rows_differing: null,
      tables: [{ schema: 'public', name: 'users', state: 'copying', rows_copied: 50, rows_estimated: 200 }],
      last_error: null,
    },
  ]);
});

test('a feed that cannot be set up where the source keeps its copies has failed, and says why', async () => {
  const barred = 'role r may not create schema "nearjoin" in database d';
  expect(await reportFeeds(view({ pg1: { ...status(), barred } }))).toMatchObject([
    { state: 'failed', reason: barred, position: null },
  ]);
});

test('a feed that only a newer program can follow has failed while none does, and says why', async () => {
  const barred = 'schema "nearjoin" has version 99, made by a newer nearjoin';
  const at = async (heardAt: number, state: FeedStatus['state']): Promise<unknown> =>
    (await reportFeeds(view({ pg1: { ...status(feed({ heardAt, state })), barred } })))[0];
  expect(await at(NOW, 'streaming')).toMatchObject({ state: 'streaming', reason: null });
  const silent = NOW - 11_000_000;
  expect(await at(silent, 'streaming')).toMatchObject({ state: 'failed', reason: barred });
  expect(await at(silent, 'paused')).toMatchObject({ state: 'failed', reason: barred });
});

test('once a table is copied its rows are told as they were counted, not as they were estimated', async () => {
  const tables = feed().tables.map((table) => ({ ...table, state: { kind: 'ready' } as const }));
  const [report] = await reportFeeds(view({ pg1: status(feed({ tables })) }));
  expect(report?.tables).toMatchObject([{ state: 'ready', rows_copied: 50, rows_estimated: 50 }]);
});

test('of a copy that a mapping cannot look into is told why, though it is ready', async () => {
  const tables = feed().tables.map((table) => ({ ...table, state: { kind: 'ready' } as const }));
  const mapping = 'mapped column "g" is generated and not replicated';
  const wanted = [{ table: { schema: 'public', name: 'users' }, mapping }];
  const [report] = await reportFeeds(
    view(
      { pg1: status(feed({ tables })) },
      { wanted: () => [{ source: 'pg1', target: 'pg2', connector: 'postgres', tables: wanted }] },
    ),
  );
  expect(report?.tables).toMatchObject([
    { state: 'ready', reason: `answered live by its mapping: ${mapping}` },
  ]);
});

test('a feed whose copies are of another database than the metadata names has failed', async () => {
  const held = feed({ identity: { systemId: '7', database: 'accounts' } });
  const named = (systemId: string | null, database: string) =>
    view({ pg1: status(held) }, { identity: () => ({ systemId, database }) });
  const failed = { state: 'failed', reason: expect.stringContaining('of database "accounts"') };
  expect(await reportFeeds(named('8', 'accounts'))).toMatchObject([failed]);
  expect(await reportFeeds(named(null, 'staging'))).toMatchObject([failed]);
  expect(await reportFeeds(named('7', 'accounts'))).toMatchObject([{ state: 'streaming', reason: null }]);
  expect(await reportFeeds(named(null, 'accounts'))).toMatchObject([{ state: 'streaming', reason: null }]);
});

test('feeds of a source whose copies are kept for another metadata database wait for them', async () => {
  const held = { ...status(feed({ target: 'pg3' })), owner: 'theirs' };
  const waiting = {
    state: 'retrying',
    reason: expect.stringContaining('another metadata database (id theirs)'),
  };
  expect(await reportFeeds(view({ pg1: held }))).toMatchObject([
    { ...waiting, target: 'pg2' },
    { ...waiting, target: 'pg3' },
  ]);
  const ofOriginal = {
    state: 'retrying',
    reason: expect.stringContaining('this one is a copy of (id original)'),
  };
  expect(await reportFeeds(view({ pg1: { ...held, owner: 'original' } }))).toMatchObject([
    ofOriginal,
    ofOriginal,
  ]);
  expect(await reportFeeds(view({ pg1: { ...held, owner: 'ours' } }))).toMatchObject([
    { state: 'starting' },
    { state: 'streaming' },
  ]);
});

test('what is written of transactions that go on is told while somebody leads', async () => {
  const early = { transactions: 2, changes: 70_000, since: NOW - 4_000_000 };
  const led = await reportFeeds(view({ pg1: status(feed({ early })) }));
  expect(led).toMatchObject([{ early_transactions: 2, early_changes: 70_000, early_age_ms: 4_000 }]);
  const metrics = await new Metrics().print(led);
  expect(metrics).toContain('nearjoin_feed_early_transactions{source="pg1",target="pg2"} 2');
  expect(metrics).toContain('nearjoin_feed_early_changes{source="pg1",target="pg2"} 70000');
  expect(metrics).toContain('nearjoin_feed_early_age_seconds{source="pg1",target="pg2"} 4');
  const silent = await reportFeeds(view({ pg1: status(feed({ early, heardAt: NOW - 10_000_001 })) }));
  expect(silent).toMatchObject([{ early_transactions: 0, early_changes: 0, early_age_ms: null }]);
});

test('a newer probe makes the cache younger, never older', async () => {
  const younger = await reportFeeds(view({ pg1: status(feed()) }, { newerFreshness: () => NOW - 7000 }));
  const older = await reportFeeds(view({ pg1: status(feed()) }, { newerFreshness: () => NOW - 90_000 }));
  expect([younger[0]?.staleness_ms, older[0]?.staleness_ms]).toEqual([7, 50]);
});

test('what a leader said last does not hold when nobody leads any more, but that it is paused does', async () => {
  const silent = { heardAt: NOW - 10_000_001 };
  const report = await reportFeeds(
    view({ pg1: status(feed(silent)), pg3: status(feed({ heardAt: NOW * 9 })) }),
  );
  expect(report.map(({ state }) => state)).toEqual(['retrying', 'retrying']);
  expect(report[0]?.reason).toBe(
    'no replicator leads this feed: one was last heard of at 1970-01-01T00:16:29.999Z',
  );
  const paused = await reportFeeds(
    view({ pg1: status(feed({ ...silent, state: 'paused', reason: 'asked' })) }),
  );
  expect(paused[0]).toMatchObject({ state: 'paused', reason: 'asked' });
});

test('an unknown position means an unknown staleness, not zero, and that no copy is ready', async () => {
  const tables = feed().tables.map((table) => ({ ...table, state: { kind: 'ready' } as const }));
  const [report] = await reportFeeds(
    view({ pg1: status(feed({ position: null, freshAsOf: null, tables })) }),
  );
  expect(report).toMatchObject({ position: null, staleness_ms: null, lag_bytes: null });
  expect(report?.tables).toMatchObject([{ state: 'pending', reason: 'the copy was given up' }]);
});

test('a table that metadata asks for is pending until the replicator knows it', async () => {
  const tables = ['users', 'countries'].map((name) => ({ table: { schema: 'public', name }, mapping: null }));
  const [report] = await reportFeeds(
    view(
      { pg1: status(feed()) },
      { wanted: () => [{ source: 'pg1', target: 'pg2', connector: 'postgres', tables }] },
    ),
  );
  expect(report?.tables.map(({ name, state }) => [name, state])).toEqual([
    ['users', 'copying'],
    ['countries', 'pending'],
  ]);
});

test('a source that does not answer is reported by its feeds and hides no other', async () => {
  const reports = await reportFeeds(
    view(
      { pg1: new Error('connect ECONNREFUSED'), pg3: status(feed()) },
      { wanted: () => [{ source: 'pg1', target: 'pg2', connector: 'postgres', tables: [] }] },
    ),
  );
  expect(
    reports.map(({ source, state, reason, staleness_ms }) => ({ source, state, reason, staleness_ms })),
  ).toEqual([
    {
      source: 'pg1',
      state: 'retrying',
      reason: 'source "pg1" does not answer: connect ECONNREFUSED',
      staleness_ms: null,
    },
    { source: 'pg3', state: 'streaming', reason: null, staleness_ms: 50 },
  ]);
});

test('a source whose schema nearjoin is another role’s says what to do', async () => {
  const refused = serverError('42501', 'permission denied for schema nearjoin');
  const [report] = await reportFeeds(
    view(
      { pg1: refused },
      { wanted: () => [{ source: 'pg1', target: 'pg2', connector: 'postgres', tables: [] }] },
    ),
  );
  expect(report?.reason).toMatch(
    /^source "pg1" does not tell of its feeds: permission denied .*: the role of the source must own schema nearjoin/,
  );
});

test('metrics follow the feeds, and forget those that are gone', async () => {
  const metrics = new Metrics();
  const first = await metrics.print(await reportFeeds(view({ pg1: status(feed()) })));
  expect(first).toContain('nearjoin_feed_staleness_seconds{source="pg1",target="pg2"} 0.05');
  expect(first).toContain('nearjoin_feed_lag_bytes{source="pg1",target="pg2"} 128');
  expect(first).toContain('nearjoin_feed_retained_wal_bytes{source="pg1",target="pg2"} 8192');
  expect(first).toContain('nearjoin_feed_changes_applied_total{source="pg1",target="pg2"} 120');
  expect(first).toContain('nearjoin_feed_tables{source="pg1",target="pg2",state="copying"} 1');
  expect(first).toContain('nearjoin_feed_early_transactions{source="pg1",target="pg2"} 0');
  expect(first).not.toContain('nearjoin_feed_early_age_seconds{');
  const second = await metrics.print([]);
  expect(second).not.toContain('target="pg2"');
});

test('the status table aligns its columns and draws the copies under way', async () => {
  const reports = await reportFeeds(view({ pg1: status(feed({ lastError: 'connection lost' })) }));
  expect(printFeeds(reports)).toBe(
    [
      'FEED        STATE      STALENESS  LAG    WAL HELD  CHANGES',
      'pg2 -> pg1  streaming  50 ms      128 B  8.0 kB    120',
      '  last error: connection lost',
      '  public.users  copying [######------------------]  25 %  50 of about 200 rows',
    ].join('\n'),
  );
  const table = { schema: 'public', name: 't', rows_copied: 200, rows_estimated: 200 };
  const tables = [
    { ...table, state: 'copying', reason: 'building indexes: building index: scanning table 40 %' },
    { ...table, state: 'pending', reason: 'its columns changed on the target' },
  ];
  const [first] = reports;
  expect(
    first === undefined
      ? []
      : printFeeds([{ ...first, tables }])
          .split('\n')
          .slice(-2),
  ).toEqual([
    '  public.t  copying [#######################-]  99 %  200 of about 200 rows (building indexes: building index: scanning table 40 %)',
    '  public.t  pending (its columns changed on the target)',
  ]);
  expect(progressBar(300, 200)).toBe('[#######################-]  99 %  300 of about 200 rows');
});
