import { expect, test } from 'vitest';
import type { Queryable } from '../../../../src/cache/queryable.ts';
import type { Lsn } from '../../../../src/core/position/lsn.ts';
import { DurablePosition } from '../../../../src/replicate/write/durable.ts';

/** A source whose own log is written up to one position and on disk up to another. */
function sourceAt(written: string, durable: string): Queryable {
  return {
    query: () => Promise.resolve({ rows: [{ now: '0', written, durable }], rowCount: 1, fields: [] }),
  };
}

test('a stored position is told only when the log of the source is on disk past the commit that stored it', async () => {
  const durable = new DurablePosition();
  const told: Lsn[] = [];
  const stream = { acknowledge: (upTo: Lsn) => void told.push(upTo) };
  const tell = async (source: Queryable, stored: Lsn): Promise<Lsn | undefined> => {
    await durable.tell(source, stored, stream);
    return told.at(-1);
  };
  const first = 100n as Lsn;
  const second = 200n as Lsn;
  expect(await tell(sourceAt('0/50', '0/40'), first)).toBeUndefined();
  expect(await tell(sourceAt('0/60', '0/4F'), first)).toBeUndefined();
  expect(await tell(sourceAt('0/60', '0/50'), second)).toBe(first);
  // The later one was first seen stored at 0/60.
  expect(await tell(sourceAt('0/70', '0/5F'), second)).toBe(first);
  expect(await tell(sourceAt('0/70', '0/60'), second)).toBe(second);
  const nobody = { query: () => Promise.reject(new Error('nothing is to be asked')) };
  expect(await tell(nobody, second)).toBe(second);
});
