import { expect, test } from 'vitest';
import type { CacheTable, FeedStatus } from '../../../src/cache/status/cache-table.ts';
import type { Column } from '../../../src/catalog/catalog.ts';
import { NO_TYPES } from '../../../src/catalog/type/held-type.ts';
import type { Lsn } from '../../../src/core/position/lsn.ts';
import type { RemoteUse } from '../../../src/plan/plan.ts';
import { type CacheFit, cacheFit } from '../../../src/read/cache-fit.ts';
import { type Policy, policyFor } from '../../../src/read/freshness.ts';
import { chooseLeaf } from '../../../src/read/leaf-choice.ts';
import { typeOf } from '../../support/catalog.ts';

const TABLE: CacheTable = {
  target: 'pg2',
  table: { schema: 'public', name: 'users' },
  relation: 'pg2__users',
  columns: [{ name: 'id', type: 'int4' }],
  state: { kind: 'ready' },
  serving: null,
  rowsCopied: 1,
  doing: null,
  rowsEstimated: 1,
};
const FEED: FeedStatus = {
  target: 'pg2',
  connector: 'postgres',
  state: 'streaming',
  reason: null,
  heardAt: 10_000_000,
  slot: null,
  lastError: null,
  position: 1n as Lsn,
  freshAsOf: 10_000_000,
  identity: null,
  history: null,
  targetPosition: null,
  retainedWalBytes: null,
  transactionsApplied: 0,
  early: null,
  verifiedAt: null,
  rowsDiffering: null,
  changesApplied: 0,
  tables: [TABLE],
};
const ID: Column = {
  name: 'id',
  field: 'id',
  type: typeOf('integer'),
  notNull: true,
  generated: false,
  description: null,
  enumTable: null,
  upperCased: false,
};
const USE: RemoteUse = {
  source: 'pg1',
  target: 'pg2',
  tables: [{ table: TABLE.table, columns: [ID] }],
  options: [],
  computes: false,
  known: NO_TYPES,
};

const FITS: readonly [what: string, feed: FeedStatus | undefined, detail: string][] = [
  ['everything is there', FEED, 'usable'],
  ['there is no feed', undefined, 'not-cached'],
  ['the table is not cached', { ...FEED, tables: [] }, 'not-cached'],
  ['the table is being copied', { ...FEED, tables: [{ ...TABLE, state: { kind: 'copying' } }] }, 'copying'],
  [
    'the table waits for changes during its copy',
    { ...FEED, tables: [{ ...TABLE, state: { kind: 'catching-up' } }] },
    'copying',
  ],
  ['the table failed', { ...FEED, tables: [{ ...TABLE, state: { kind: 'failed', reason: 'x' } }] }, 'failed'],
  ['a column is missing', { ...FEED, tables: [{ ...TABLE, columns: [] }] }, 'column-not-cached'],
  [
    'an older copy serves',
    { ...FEED, tables: [{ ...TABLE, state: { kind: 'copying' }, serving: TABLE }] },
    'usable',
  ],
  [
    'an older copy serves though the newer failed',
    { ...FEED, tables: [{ ...TABLE, state: { kind: 'failed', reason: 'x' }, serving: TABLE }] },
    'usable',
  ],
  [
    'an older copy lacks a column',
    { ...FEED, tables: [{ ...TABLE, state: { kind: 'copying' }, serving: { ...TABLE, columns: [] } }] },
    'copying',
  ],
  [
    'it is of another database',
    { ...FEED, identity: { systemId: '8', database: 'accounts' } },
    'other-database',
  ],
  ['the position is gone', { ...FEED, position: null }, 'slot-lost'],
];

test.each(FITS)('a cache is judged: %s', (_, feed, detail) => {
  const fit = cacheFit(USE, feed, { systemId: '7', database: 'accounts' });
  expect(fit.kind === 'usable' ? 'usable' : fit.detail).toBe(detail);
});

test('a cache is judged by every table and column that is read, and none is enough for what is computed', () => {
  const other = { ...TABLE, table: { schema: 'public', name: 'teams' }, relation: 'pg2__teams' };
  const name = { ...ID, name: 'name', field: 'name' };
  const reading = (columns: readonly Column[]): RemoteUse => ({
    ...USE,
    tables: [...USE.tables, { table: other.table, columns }],
  });
  const feed = { ...FEED, tables: [other, TABLE] };
  expect(cacheFit(reading([ID]), feed, null)).toEqual({ kind: 'usable', tables: [TABLE, other] });
  const lacking = { kind: 'unusable', detail: 'column-not-cached' };
  expect(cacheFit(reading([ID, name]), feed, null)).toEqual(lacking);
  const copied = { ...other, columns: [...other.columns, { name: 'name', type: 'text' }] };
  expect(cacheFit(reading([ID, name]), { ...FEED, tables: [TABLE, copied] }, null).kind).toBe('usable');
  expect(cacheFit(reading([name]), { ...FEED, tables: [copied] }, null)).toEqual({
    kind: 'unusable',
    detail: 'not-cached',
  });
  expect(cacheFit({ ...USE, computes: true }, FEED, null)).toEqual({ kind: 'unusable', detail: 'computed' });
});

const POLICY: Policy = {
  boundMs: 1000,
  fallback: 'live',
  token: null,
  noCache: false,
  cacheOff: false,
  staleWhenDown: false,
};
const USABLE: CacheFit = { kind: 'usable', tables: [TABLE] };
const COPYING: CacheFit = { kind: 'unusable', detail: 'copying' };
const ABSENT: CacheFit = { kind: 'unusable', detail: 'not-cached' };
const NOW = 11_000_000;

const CHOICES: readonly [what: string, fit: CacheFit, policy: Partial<Policy>, now: number, route: string][] =
  [
    ['a fresh cache', USABLE, {}, NOW, 'cache'],
    ['a cache that may be fresh by now', USABLE, {}, NOW + 900_000, 'cache'],
    ['a hopeless cache', USABLE, {}, NOW + 5_000_000, 'stale lagging unmet'],
    ['a hopeless cache where stale is allowed', USABLE, { fallback: 'stale' }, NOW + 5_000_000, 'cache'],
    ['a hopeless cache where waiting is asked for', USABLE, { fallback: 'wait' }, NOW + 5_000_000, 'cache'],
    ['a bound of zero', USABLE, { boundMs: 0 }, NOW, 'stale lagging unmet'],
    ['no-cache', USABLE, { noCache: true }, NOW, 'request asked-for'],
    ['a relationship that never caches', USABLE, { cacheOff: true }, NOW, 'bypass cache-off'],
    ['a copy under way', COPYING, {}, NOW, 'miss copying unmet'],
    ['a table without a cache', ABSENT, { fallback: 'error' }, NOW, 'miss not-cached'],
  ];

test.each(CHOICES)('the leaf for %s', (...[, fit, policy, now, route]) => {
  const choice = chooseLeaf(fit, { ...POLICY, ...policy }, FEED, now);
  const said =
    choice.route === 'cache' ? 'cache' : `${choice.reason} ${choice.detail}${choice.unmet ? ' unmet' : ''}`;
  expect(said).toBe(route);
});

test('the request wins over relationships, the strictest relationship over the server', () => {
  const options = {
    cache: true,
    maxStalenessMs: null,
    fallback: null,
    onTargetDown: 'stale',
    follow: 'object',
  } as const;
  const request = { noCache: false, maxStalenessMs: null, fallback: null, tokens: new Map() };
  const defaults = { maxStalenessMs: 1000, fallback: 'live' } as const;
  const two = [
    { ...options, maxStalenessMs: 500, fallback: 'stale' as const },
    { ...options, maxStalenessMs: 200, fallback: 'wait' as const, onTargetDown: 'error' as const },
  ];
  expect(policyFor('pg2', request, [options], defaults)).toMatchObject({
    boundMs: 1000,
    fallback: 'live',
    staleWhenDown: true,
  });
  expect(policyFor('pg2', request, two, defaults)).toMatchObject({
    boundMs: 200,
    fallback: 'wait',
    staleWhenDown: false,
  });
  const lax = { ...options, maxStalenessMs: 60_000, fallback: 'stale' as const };
  expect(policyFor('pg2', request, [options, lax], defaults)).toMatchObject({
    boundMs: 1000,
    fallback: 'live',
  });
  expect(policyFor('pg2', { ...request, noCache: true }, [options], defaults).staleWhenDown).toBe(false);
  const never = { ...options, cache: false };
  expect(policyFor('pg2', request, [options, never], defaults).cacheOff).toBe(true);
  expect(policyFor('pg2', request, [options], defaults).cacheOff).toBe(false);
  const asked = { ...request, maxStalenessMs: 5000, fallback: 'error' as const };
  expect(policyFor('pg2', asked, two, defaults)).toMatchObject({ boundMs: 5000, fallback: 'error' });
});
