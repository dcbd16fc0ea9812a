import { expect, test } from 'vitest';
import { HistoryProof } from '../../../../connectors/postgres/stream/history-proof.ts';
import type { Lsn } from '../../../../src/core/position/lsn.ts';
import type { Commit, FeedItem } from '../../../../src/core/rows/change.ts';

const lsn = (position: number): Lsn => BigInt(position) as Lsn;
const made = (end: number, time = end): Commit => ({ end: lsn(end), time });
/** A transaction whose commit record has ten bytes. */
const transaction = (end: number, time = end): readonly FeedItem[] => [
  { kind: 'begin', xid: 1, commit: lsn(end - 10) },
  { kind: 'truncate', relations: [] },
  { kind: 'commit', ...made(end, time) },
];
const progress = (position: number): FeedItem => ({ kind: 'progress', position: lsn(position) });

const part = (xid: number): FeedItem => ({ kind: 'early-part', xid, subxid: xid, changes: [] });
const abort = (xid: number, subxid = xid): FeedItem => ({ kind: 'early-abort', xid, subxid });
const earlyCommit = (xid: number, end: number): FeedItem => {
  return { kind: 'early-commit', xid, commit: lsn(end - 10), ...made(end) };
};

/** What is new of a stream to somebody who has everything up to 100. */
function run(last: Commit | null, confirmed: number, items: readonly FeedItem[]): string {
  const proof = new HistoryProof({ upTo: lsn(100), last }, lsn(confirmed));
  try {
    const passed = items.filter((item) => proof.isNew(item)).map(({ kind }) => kind);
    return proof.isThrough ? passed.join(' ') : 'unknown';
  } catch {
    return 'another';
  }
}

test.each<[string, readonly [Commit | null, number], readonly FeedItem[], string]>([
  ['another commit of the same moment', [made(90, 7), 50], [...transaction(80, 7), progress(100)], 'another'],
  ['the slot is where we are', [made(100), 100], [...transaction(120)], 'begin truncate commit'],
  [
    'the last commit comes again',
    [made(90), 50],
    [...transaction(70), ...transaction(90), progress(100)],
    'progress',
  ],
  [
    'it comes again at our position',
    [made(100), 50],
    [...transaction(100), ...transaction(110)],
    'begin truncate commit',
  ],
  ['it was confirmed, and nothing comes', [made(50), 50], [progress(99), progress(130)], 'progress'],
  ['nothing was ever told of', [null, 50], [progress(100)], 'progress'],
  ['it has not come yet', [made(90), 50], [...transaction(70), progress(99)], 'unknown'],
  ['it does not come', [made(90), 50], [...transaction(70), progress(100)], 'another'],
  ['the stream goes past it', [made(90), 50], [...transaction(120)], 'another'],
  ['another commit ends there', [made(90), 50], [...transaction(90, 91), progress(100)], 'another'],
  [
    'more comes than there was',
    [made(70), 50],
    [...transaction(70), ...transaction(90), progress(100)],
    'another',
  ],
  ['something comes where there was nothing', [made(40), 50], [...transaction(90), progress(100)], 'another'],
  [
    'the last commit was sent in parts',
    [made(90), 50],
    [part(1), ...transaction(70), earlyCommit(1, 90), progress(100)],
    'progress',
  ],
  ['another was sent in parts', [made(90), 50], [part(1), earlyCommit(1, 80), progress(100)], 'another'],
  ['parts come where we are', [made(100), 100], [part(1), earlyCommit(1, 120)], 'early-part early-commit'],
  ['one sent in parts lies across our position', [made(50), 50], [earlyCommit(1, 105)], 'another'],
  ['a commit lies across our position', [made(50), 50], [...transaction(105)], 'another'],
])('%s', (_name, [last, confirmed], items, expected) => {
  expect(run(last, confirmed, items)).toBe(expected);
});

test.each<[string, readonly FeedItem[], readonly number[]]>([
  ['goes on', [part(1), progress(100)], [1]],
  ['is committed later', [part(1), part(2), abort(2, 3), earlyCommit(1, 130)], [1, 2]],
  ['has ended by then', [part(1), part(2), abort(1), earlyCommit(2, 90), progress(100)], []],
])('a transaction lacks its beginning when it %s', (_name, items, headless) => {
  const last = items.some((item) => item.kind === 'early-commit' && item.end === lsn(90)) ? made(90) : null;
  const proof = new HistoryProof({ upTo: lsn(100), last }, lsn(50));
  for (const item of items) proof.isNew(item);
  expect([...proof.headless]).toEqual(headless);
});
