import { expect, test } from 'vitest';
import type { SlotHealth } from '../../../connectors/connector.ts';
import type { StoredTable } from '../../../src/cache/table/stored.ts';
import type { Lsn } from '../../../src/core/position/lsn.ts';
import type { TableShape } from '../../../src/core/rows/table-shape.ts';
import { Backoff } from '../../../src/replicate/backoff.ts';
import {
  decideStart,
  doubtfulCopies,
  type StartDecision,
  type StartFacts,
} from '../../../src/replicate/lead/start-decision.ts';
import { slotName } from '../../../src/replicate/slot/names.ts';
import { type FeedAction, reconcile } from '../../../src/replicate/table/reconcile.ts';
import type { CheckedTable } from '../../../src/replicate/table/wanted.ts';

const lsn = (position: number): Lsn => BigInt(position) as Lsn;
const identity = { systemId: '7', timeline: 1, database: 'd', startedAt: '1', ancestors: [] };
const usable = (confirmed: number): SlotHealth => {
  return {
    kind: 'usable',
    confirmed: lsn(confirmed),
    retainedWalBytes: 0,
    retainedForCopies: 0,
    activePid: null,
    isSynced: false,
    heldBack: null,
  };
};
const synced: SlotHealth & { kind: 'usable' } = {
  kind: 'usable',
  confirmed: lsn(100),
  retainedWalBytes: 0,
  retainedForCopies: 0,
  activePid: null,
  isSynced: true,
  heldBack: null,
};
const facts: StartFacts = {
  stored: {
    identity,
    watermark: { seq: 1n, position: lsn(100), freshAsOf: 1, lastCommit: null },
    transactionsApplied: 0,
    changesApplied: 0,
  },
  identity,
  slot: usable(100),
  connector: 'postgres',
  written: lsn(200),
};

test('a feed goes on from the position it stored, also where the target has written nothing since', () => {
  expect(decideStart(facts)).toEqual({ kind: 'resume', after: 100n });
  expect(decideStart({ ...facts, written: lsn(100) })).toEqual({ kind: 'resume', after: 100n });
});

test.each<[string, Partial<StartFacts>]>([
  ['never copied', { stored: { ...facts.stored, watermark: null } }],
  [
    'given up',
    {
      stored: { ...facts.stored, watermark: { seq: 2n, position: null, freshAsOf: null, lastCommit: null } },
    },
  ],
  ['another server', { identity: { ...identity, systemId: '8' } }],
  ['another timeline', { identity: { ...identity, timeline: 2 } }],
  ['another database', { identity: { ...identity, database: 'e' } }],
  ['a target behind the cache', { written: lsn(99) }],
  ['no slot', { slot: { kind: 'missing' } }],
  ['a slot that was never finished', { slot: { kind: 'unfinished', retainedWalBytes: 0 } }],
  ['a lost slot', { slot: { kind: 'lost', reason: 'wal_removed' } }],
  ['a slot past the stored position', { slot: usable(101) }],
])('%s means building anew', (_name, change) => {
  expect(decideStart({ ...facts, ...change }).kind).toBe('rebuild');
});

test('a restart of the target is a doubt where its log does not come from its own slot', () => {
  const restarted = { ...facts, identity: { ...identity, startedAt: '2' } };
  expect(decideStart({ ...facts, connector: 'kafka' }).kind).toBe('resume');
  expect(decideStart(restarted).kind).toBe('resume');
  expect(decideStart({ ...restarted, connector: 'kafka' }).kind).toBe('rebuild');
});

const promoted = { ...identity, timeline: 3, ancestors: [{ timeline: 1, until: lsn(100) }] };

test.each<[string, Partial<StartFacts>, StartDecision['kind']]>([
  ['past the cache with its slot: the cache goes on', {}, 'resume'],
  ['past the cache without its slot', { slot: usable(100) }, 'rebuild'],
  [
    'before the cache',
    { identity: { ...promoted, ancestors: [{ timeline: 1, until: lsn(99) }] } },
    'rebuild',
  ],
  [
    'of other descent',
    { identity: { ...promoted, ancestors: [{ timeline: 2, until: lsn(500) }] } },
    'rebuild',
  ],
  ['with a slot past the cache', { slot: { ...synced, confirmed: lsn(101) } }, 'rebuild'],
])('a timeline that began %s', (_name, change, kind) => {
  expect(decideStart({ ...facts, identity: promoted, slot: synced, ...change }).kind).toBe(kind);
});

const ref = { schema: 'public', name: 't' };
const columns = [{ name: 'id', type: 'integer', oid: 23 }];
const shape: TableShape = {
  publication: '7 100 8',
  relation: 2,
  columns: { id: 1 },
  written: {},
  isPartitioned: false,
  files: { 2: 4 },
  labels: {},
  composites: {},
};
const wanted: CheckedTable = {
  kind: 'cacheable',
  table: ref,
  columns,
  key: ['id'],
  indexes: { lookups: [['id']], mirrored: [] },
  shape,
};
const stored: StoredTable = {
  target: 'pg2',
  table: ref,
  relation: 'r',
  columns,
  key: ['id'],
  state: { kind: 'ready' },
  copiedAt: lsn(1),
  cursor: null,
  parts: null,
  overlay: null,
  serving: null,
  rowsEstimated: 1,
  shape,
  generation: 1,
  resync: false,
  exists: true,
  modifiers: [-1],
  indexes: [['id']],
};
test.each<[string, Partial<StoredTable>, string, boolean]>([
  ['past the position', { state: { kind: 'copying' }, copiedAt: lsn(11) }, 'before', true],
  ['and filled', { state: { kind: 'catching-up' }, copiedAt: lsn(11) }, 'before', true],
  ['up to the position', { state: { kind: 'copying' }, copiedAt: lsn(10) }, 'before', false],
  ['nowhere yet', { state: { kind: 'copying' }, copiedAt: null }, 'before', false],
  ['and ready', { state: { kind: 'ready' }, copiedAt: lsn(11) }, 'before', false],
  ['from the same server process', { state: { kind: 'copying' }, copiedAt: lsn(11) }, 'now', false],
])('a copy that was read %s may be of what is lost, or not', (_name, change, before, isDoubtful) => {
  const copy = { ...stored, ...change };
  const found = doubtfulCopies([copy], { before, now: 'now', position: lsn(10) });
  expect(found).toEqual(isDoubtful ? [copy] : []);
});

const more = { ...wanted, columns: [...columns, { name: 'extra', type: 'text', oid: 25 }] };
/** A copy that lacks the column serves; the one that has it is not there yet. */
const served = {
  columns: more.columns,
  relation: 'newer',
  state: { kind: 'pending' as const },
  serving: stored,
  exists: false,
};
const calm = {
  underWay: new Set<string>(),
  broken: new Map<string, string>(),
  resting: new Map<string, string>(),
};
const key = JSON.stringify(['public', 't']);
const kinds = (actions: readonly FeedAction[]): readonly string[] => actions.map((action) => action.kind);

test.each<[string, CheckedTable[], Partial<StoredTable> | null, object, string[]]>([
  ['a table not there is copied', [wanted], null, {}, ['copy']],
  ['a ready table stays', [wanted], {}, {}, []],
  ['a ready table without an index gets it', [wanted], { indexes: [] }, {}, ['index']],
  ['a table not wanted goes', [], {}, {}, ['forget']],
  ['a refused table is let go', [{ kind: 'refused', table: ref, reason: 'no key' }], {}, {}, ['refuse']],
  [
    'a copy interrupted while it was filled is made again',
    [wanted],
    { state: { kind: 'copying' } },
    {},
    ['discard', 'copy'],
  ],
  [
    'a copy under way is left alone',
    [wanted],
    { state: { kind: 'copying' } },
    { underWay: new Set([key]) },
    [],
  ],
  ['a filled copy is merged', [wanted], { state: { kind: 'catching-up' }, overlay: 'o' }, {}, ['merge']],
  [
    'a filled copy that is gone is made again',
    [wanted],
    { state: { kind: 'catching-up' }, overlay: 'o', exists: false },
    {},
    ['discard', 'copy'],
  ],
  [
    'nor is one merged of which nobody knows how old it is',
    [wanted],
    { state: { kind: 'catching-up' }, overlay: 'o', copiedAt: null },
    {},
    ['discard', 'copy'],
  ],
  [
    'a large copy begun before goes on',
    [wanted],
    { state: { kind: 'copying' }, overlay: 'o' },
    {},
    ['resume'],
  ],
  [
    'a large copy that was interrupted lately waits',
    [wanted],
    { state: { kind: 'copying' }, overlay: 'o' },
    { underWay: new Set([key]) },
    [],
  ],
  [
    'a small copy begun before is made again',
    [wanted],
    { state: { kind: 'copying' }, overlay: 'o', exists: false },
    {},
    ['discard', 'copy'],
  ],
  ['a resync asked for makes another', [wanted], { resync: true }, {}, ['discard', 'copy']],
  ['a broken table is copied again', [wanted], {}, { broken: new Map([['r', 'why']]) }, ['discard', 'copy']],
  ['a table that failed lately rests', [wanted], {}, { resting: new Map([[key, 'why']]) }, ['refuse']],
  [
    'another type makes another copy',
    [wanted],
    { columns: [{ name: 'id', type: 'bigint', oid: 20 }] },
    {},
    ['discard', 'copy'],
  ],
  [
    'another type of the same name makes another copy',
    [wanted],
    { columns: columns.map((column) => ({ ...column, oid: 70_001 })) },
    {},
    ['discard', 'copy'],
  ],
  [
    'a type that is held otherwise now makes another copy',
    [wanted],
    { columns: columns.map((column) => ({ ...column, type: 'text' })) },
    {},
    ['discard', 'copy'],
  ],
  [
    'a part of its key makes another copy',
    [more],
    { columns: more.columns, key: ['id', 'extra'] },
    {},
    ['discard', 'copy'],
  ],
  [
    'another table of the name makes another copy',
    [wanted],
    { shape: { ...shape, relation: 9 } },
    {},
    ['discard', 'copy'],
  ],
  ['a table packed anew is noted', [wanted], { shape: { ...shape, files: { 2: 9 } } }, {}, ['note-shape']],
  [
    'also where only what is served is from before',
    [more],
    { ...served, serving: { ...stored, shape: { ...shape, files: { 2: 9 } } } },
    { underWay: new Set([key]) },
    ['note-shape'],
  ],
  ['another key makes another copy', [wanted], { key: [] }, {}, ['discard', 'copy']],
  ['a table dropped by hand is made again', [wanted], { exists: false }, {}, ['discard', 'copy']],
  ['a copy that lacks a column serves while another is made', [more], {}, {}, ['replace', 'copy']],
  [
    'a copy that lacks a column and is broken does not',
    [more],
    {},
    { broken: new Map([['r', 'why']]) },
    ['discard', 'copy'],
  ],
  ['nor one that is to be copied again', [more], { resync: true }, {}, ['discard', 'copy']],
  ['nor one of another key', [{ ...more, key: ['extra'] }], {}, {}, ['discard', 'copy']],
  ['nor one of another table', [more], { shape: { ...shape, relation: 9 } }, {}, ['discard', 'copy']],
  [
    'nor one that lost a column',
    [more],
    { columns: [...columns, { name: 'gone', type: 'text', oid: 25 }] },
    {},
    ['discard', 'copy'],
  ],
  ['nor one that was never ready', [more], { state: { kind: 'copying' } }, {}, ['discard', 'copy']],
  ['the newer copy is begun', [more], served, {}, ['discard', 'copy']],
  ['the newer copy under way is left alone', [more], served, { underWay: new Set([key]) }, []],
  [
    'what is served goes when it is not right any more',
    [{ ...more, shape: { ...shape, relation: 9 } }],
    served,
    { underWay: new Set([key]) },
    ['unserve'],
  ],
  [
    'what is served goes when it broke',
    [more],
    served,
    { underWay: new Set([key]), broken: new Map([['r', 'why']]) },
    ['unserve'],
  ],
  [
    'what is served is not needed when the newer copy is ready',
    [more],
    { ...served, state: { kind: 'ready' }, exists: true },
    {},
    ['retire'],
  ],
  [
    'two generations are enough',
    [{ ...more, columns: [...more.columns, { name: 'third', type: 'text', oid: 25 }] }],
    { ...served, state: { kind: 'ready' }, exists: true },
    {},
    ['retire'],
  ],
])('%s', (...[, want, there, more, expected]) => {
  const plan = reconcile(want, there === null ? [] : [{ ...stored, ...there }], { ...calm, ...more });
  expect(kinds(plan.actions)).toEqual(expected);
  expect(plan.publish).toEqual(expected.includes('refuse') || want.length === 0 ? [] : [ref]);
});

test.each<[string, Partial<StoredTable>, object, boolean]>([
  ['a newer copy that broke', { ...served, exists: true }, { broken: new Map([['newer', 'why']]) }, true],
  ['a newer copy that failed lately', served, { resting: new Map([[key, 'why']]) }, true],
  ['an older copy that broke', served, { broken: new Map([['r', 'why']]) }, false],
  [
    'an older copy that broke, while the newer one rests',
    served,
    { broken: new Map([['r', 'why']]), resting: new Map([[key, 'why']]) },
    false,
  ],
  ['a fresh copy that is asked for', { ...served, resync: true }, {}, false],
])('whether the older copy serves on: %s', (_name, there, facts, servesOn) => {
  const { actions } = reconcile([more], [{ ...stored, ...there }], { ...calm, ...facts });
  const gone = actions.filter(({ kind }) => kind === 'discard' || kind === 'refuse');
  expect(gone).toMatchObject([{ servesOn }]);
});

test('a table that was refused from the beginning is copied without a word of what differs', () => {
  const refused = { state: { kind: 'failed', reason: 'x' }, columns: [], key: [], exists: false } as const;
  const { actions } = reconcile([more], [{ ...stored, ...refused }], calm);
  expect(actions).toMatchObject([{ kind: 'discard', reason: null }, { kind: 'copy' }]);
});

test('pauses double up to the longest, with at least half of it, and start again after success', () => {
  const backoff = new Backoff(100, 1_000, () => 0);
  expect([1, 2, 3, 4, 5, 6].map(() => backoff.nextMs())).toEqual([50, 100, 200, 400, 500, 500]);
  backoff.succeeded();
  expect(backoff.nextMs()).toBe(50);
});

test('slot names hold only what slots may, and differ where targets differ', () => {
  const id = 'ABCDEF01-2345-6789-0000-000000000000'.toLowerCase();
  expect(slotName(id, 'pg2')).toBe('nearjoin_abcdef01_pg2');
  expect(slotName(id, 'Pg-2')).toMatch(/^nearjoin_abcdef01_pg_2_[0-9a-f]{8}$/);
  expect(slotName(id, 'Pg-2')).not.toBe(slotName(id, 'pg_2'));
  expect(slotName(id, 'x'.repeat(200))).toHaveLength(63);
});
