import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import type { Connector, Snapshot } from '../../../../connectors/connector.ts';
import { type Extent, nextPages } from '../../../../connectors/postgres/snapshot/pieces.ts';
import { type Lsn, parseLsn } from '../../../../src/core/position/lsn.ts';
import type { Clock } from '../../../../src/core/waiting/clock.ts';
import { Turns } from '../../../../src/core/waiting/turns.ts';
import { copySizes } from '../../../../src/replicate/copy/pieces.ts';
import { Snapshots } from '../../../../src/replicate/copy/snapshots.ts';
import { Pace } from '../../../../src/replicate/pace.ts';
import { poll } from '../../../support/poll.ts';

const never = new AbortController().signal;

function manualClock(): Clock & { nowMs: number } {
  const clock = {
    nowMs: 0,
    monotonicMs: () => clock.nowMs,
    delay: (ms: number) => {
      clock.nowMs += ms;
      return Promise.resolve();
    },
  };
  return clock;
}

test('a pace lets through so many bytes a second, whoever takes them', async () => {
  const clock = manualClock();
  const pace = new Pace(1_000, clock);
  const one = Readable.from([Buffer.alloc(500), Buffer.alloc(1_500), Buffer.alloc(10)]);
  expect(await buffer(one.pipe(pace.stream(never)))).toHaveLength(2_010);
  expect(clock.nowMs).toBe(2_000);
  await pace.take(1, never);
  expect(clock.nowMs).toBe(2_010);
  clock.nowMs = 60_000;
  await pace.take(5_000, never);
  expect(clock.nowMs, 'what was not used is not saved up').toBe(60_000);
});

test('turns go to those who wait, in order, before whoever asks again', async () => {
  const turns = new Turns(1);
  const order: string[] = [];
  const large = async (): Promise<void> => {
    for (const piece of ['large 1', 'large 2']) await turns.take(async () => void order.push(piece), never);
  };
  const other = (name: string): Promise<void> => turns.take(async () => void order.push(name), never);
  await Promise.all([large(), other('small 1'), other('small 2')]);
  expect(order).toEqual(['large 1', 'small 1', 'small 2', 'large 2']);
});

test('a place that was left can be taken again', async () => {
  const turns = new Turns(1);
  const order: string[] = [];
  const stop = new AbortController();
  let end: () => void = () => undefined;
  const first = turns.take(() => new Promise<void>((resolve) => (end = resolve)), never);
  const place = turns.place();
  const left = turns.take(async () => void order.push('left'), stop.signal, place).catch(() => undefined);
  const behind = turns.take(async () => void order.push('behind'), never);
  stop.abort(new Error('another is wanted'));
  await left;
  const again = turns.take(async () => void order.push('again'), never, place);
  end();
  await Promise.all([first, behind, again]);
  expect(order).toEqual(['again', 'behind']);
});

test('who stops waiting for a turn leaves it to the next', async () => {
  const turns = new Turns(1);
  const stop = new AbortController();
  let end: () => void = () => undefined;
  const first = turns.take(() => new Promise<void>((resolve) => (end = resolve)), never);
  const second = turns.take(() => Promise.resolve('second'), stop.signal).catch((error: unknown) => error);
  const third = turns.take(() => Promise.resolve('third'), never);
  const reason = new Error('not wanted');
  stop.abort(reason);
  expect(await second).toBe(reason);
  end();
  await first;
  expect(await third).toBe('third');
});

function snapshots(positions: readonly string[]): {
  readonly connector: Connector;
  readonly open: Set<Lsn>;
  /** For how many readers each was taken. */
  readonly taken: (number | undefined)[];
} {
  const left = [...positions];
  const open = new Set<Lsn>();
  const taken: (number | undefined)[] = [];
  const snapshot = (_: AbortSignal, readers?: number): Promise<Snapshot> => {
    taken.push(readers);
    const at = parseLsn(left.shift() ?? '');
    open.add(at);
    const close = (): Promise<void> => Promise.resolve(void open.delete(at));
    return Promise.resolve({ at, close } as Snapshot);
  };
  return { connector: { snapshot } as unknown as Connector, open, taken };
}

test('a young snapshot is shared when it is new enough, and closed after the last use', async () => {
  const clock = manualClock();
  const { connector, open } = snapshots(['0/10', '0/20', '0/30']);
  const pool = new Snapshots(connector, clock, 1_000);
  const held = await Promise.all([
    pool.hold(parseLsn('0/5'), never, never),
    pool.hold(parseLsn('0/10'), never, never),
  ]);
  expect(held.map(({ snapshot }) => snapshot.at)).toEqual([parseLsn('0/10'), parseLsn('0/10')]);
  const newer = await pool.hold(parseLsn('0/11'), never, never);
  expect(newer.snapshot.at).toBe(parseLsn('0/20'));
  clock.nowMs = 1_000;
  expect(newer.isOld).toBe(true);
  const last = await pool.hold(parseLsn('0/1'), never, never);
  expect(last.snapshot.at).toBe(parseLsn('0/30'));
  expect(open.size).toBe(3);
  for (const each of [...held, newer, last]) await each.release();
  expect(open.size).toBe(0);
});

test('a snapshot that was prepared is the first one’s who asks, and closed when nobody does', async () => {
  const { connector, open, taken } = snapshots(['0/10', '0/20', '0/30']);
  const pool = new Snapshots(connector, manualClock(), 1_000);
  pool.prepare(4, never);
  const held = await pool.hold(parseLsn('0/5'), never, never);
  const beside = await pool.hold(parseLsn('0/5'), never, never);
  expect([held.snapshot.at, beside.snapshot.at]).toEqual([parseLsn('0/10'), parseLsn('0/10')]);
  pool.close();
  expect(open.size).toBe(1);
  await held.release();
  await beside.release();
  expect(open.size).toBe(0);
  pool.prepare(1, never);
  // What it does not show is read from another.
  const newer = await pool.hold(parseLsn('0/21'), never, never);
  expect([newer.snapshot.at, open.size]).toEqual([parseLsn('0/30'), 1]);
  expect(taken).toEqual([4, 1, 1]);
  await newer.release();
  const unwanted = snapshots(['0/10']);
  const other = new Snapshots(unwanted.connector, manualClock(), 1_000);
  other.prepare(1, never);
  other.close();
  await poll('the snapshot to be closed', () => unwanted.open.size === 0);
});

test('who stops waiting for a snapshot is told at once, and leaves it to the others', async () => {
  const { connector, open } = snapshots(['0/10']);
  let come: () => void = () => undefined;
  const coming = new Promise<void>((resolve) => (come = resolve));
  const late = { snapshot: () => coming.then(() => connector.snapshot(never)) } as unknown as Connector;
  const pool = new Snapshots(late, manualClock(), 1_000);
  const stop = new AbortController();
  const stopped = pool.hold(parseLsn('0/5'), never, stop.signal).catch((error: unknown) => error);
  const held = pool.hold(parseLsn('0/5'), never, never);
  const reason = new Error('not wanted');
  stop.abort(reason);
  expect(await stopped).toBe(reason);
  come();
  const other = await held;
  expect([other.snapshot.at, open.size]).toEqual([parseLsn('0/10'), 1]);
  await other.release();
  expect(open.size).toBe(0);
});

const MB = 1 << 20;
const extent: Extent = { files: 'f', pages: [100, 10], bytes: 110 * 8192 };

test.each([
  ['the first piece takes pages of every part', null, { from: 0, to: 5, end: 100 }],
  [
    'a part that is read through makes room',
    { files: 'f', next: 20, end: 100 },
    { from: 20, to: 30, end: 100 },
  ],
  ['pages that came later are left out', { files: 'f', next: 90, end: 93 }, { from: 90, to: 93, end: 93 }],
  ['other files need another copy', { files: 'g', next: 90, end: 93 }, null],
])('%s', (_name, cursor, expected) => {
  expect(nextPages(extent, cursor, 10 * 8192)).toEqual(expected);
});

test('a piece is never less than a page, and an empty table has none', () => {
  expect(nextPages({ ...extent, bytes: 1e12 }, null, 1)).toEqual({ from: 0, to: 1, end: 100 });
  expect(nextPages({ files: 'f', pages: [], bytes: 0 }, null, 1)).toEqual({ from: 0, to: 0, end: 0 });
});

test('a slow pace makes smaller pieces, so that no snapshot is used for long', () => {
  const limits = {
    wholeBytes: 1024 * MB,
    pieceBytes: 128 * MB,
    apartRows: 50_000,
    snapshotMs: 60_000,
    mergePages: 64,
    bytesPerS: null,
  };
  expect(copySizes(limits)).toEqual({ wholeBytes: 1024 * MB, pieceBytes: 128 * MB });
  expect(copySizes({ ...limits, bytesPerS: MB })).toEqual({ wholeBytes: 60 * MB, pieceBytes: 60 * MB });
});
