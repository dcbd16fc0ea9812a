import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { KafkaRecord, ReaderEvents } from '../../../../connectors/kafka/consume.ts';
import type { TransactionEnd } from '../../../../connectors/kafka/envelope.ts';
import {
  EndCursor,
  type EndReader,
  type EndRecord,
  type Ends,
  findEnd,
} from '../../../../connectors/kafka/progress.ts';
import type { Lsn } from '../../../../src/core/position/lsn.ts';
import { endMessage } from '../../../support/kafka-events.ts';

const at = (position: number): Lsn => BigInt(position) as Lsn;

/** A topic whose even offsets are beginnings, and whose odd ones hold the ends given. */
class Topic implements Ends {
  readonly #records: readonly EndRecord[];
  readonly high: bigint;
  #next = 0n;
  reads = 0;

  constructor(positions: readonly number[]) {
    this.#records = positions.map((position, index) => ({
      offset: BigInt(index * 2 + 1),
      timestamp: index,
      event: endAt(position),
      bytes: 1,
    }));
    this.high = BigInt(positions.length * 2);
  }

  seek(offset: bigint): void {
    this.#next = offset;
  }

  next(before: bigint): Promise<EndRecord | null> {
    this.reads += 1;
    const index = Number((this.#next + 1n) / 2n) - (this.#next % 2n === 1n ? 1 : 0);
    const found = this.#records[index];
    if (found === undefined || found.offset >= before) return Promise.resolve(null);
    this.#next = found.offset + 1n;
    return Promise.resolve(found);
  }
}

function endAt(position: number): TransactionEnd {
  return { xid: String(position), end: at(position), time: position * 1000, counts: new Map() };
}

function find(topic: Topic, after: number, low = 0n): Promise<EndRecord> {
  return findEnd(topic, { low, high: topic.high }, { after: at(after), last: null });
}

describe('the end that the cache has come to', () => {
  test('is found wherever it is, also where some were sent again', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 400 }), fc.nat(60)), { minLength: 1, maxLength: 8 }),
        fc.nat(),
        async (stretches, pick) => {
          const sent: number[] = [];
          let newest = 0;
          for (const [count, back] of stretches) {
            for (let position = Math.max(1, newest - back + 1); position <= newest + count; position += 1)
              sent.push(position);
            newest += count;
          }
          const wanted = 1 + (pick % newest);
          const found = await find(new Topic(sent), wanted);
          expect(found.event.end).toBe(at(wanted));
        },
      ),
      { numRuns: 200 },
    );
  });

  test('is found without reading all', async () => {
    const topic = new Topic(Array.from({ length: 100_000 }, (_, index) => index + 1));
    expect((await find(topic, 77_777)).event.end).toBe(at(77_777));
    expect(topic.reads).toBeLessThan(400);
  });

  test.each([
    ['the topic is empty', [], 5],
    ['it is past what the topic still holds', [10, 11, 12], 5],
    ['the topic does not reach so far', [1, 2, 3], 5],
    ['another commit is in its place', [1, 4, 6, 7], 5],
  ])('is lost when %s', async (_title, positions, after) => {
    await expect(find(new Topic(positions), after)).rejects.toMatchObject({ failure: 'slot-lost' });
  });

  test('is another one when it was made at another time', async () => {
    const topic = new Topic([4, 5, 6]);
    const wanted = (time: number) => ({ after: at(5), last: { end: at(5), time } });
    const extent = { low: 0n, high: topic.high };
    expect((await findEnd(topic, extent, wanted(5000))).event.xid).toBe('5');
    await expect(findEnd(topic, extent, wanted(5001))).rejects.toMatchObject({ failure: 'slot-lost' });
  });
});

/** A reader that is given messages, when the test says so. */
class Given implements EndReader {
  readonly #events: ReaderEvents;
  #next = 0n;

  constructor(events: ReaderEvents) {
    this.#events = events;
  }

  give(...records: readonly KafkaRecord[]): void {
    this.#next = (records.at(-1)?.offset ?? -1n) + 1n;
    this.#events.records({ topic: 'ends', partition: 0 }, records);
  }

  /** Offsets that are none of a message. */
  pass(upTo: bigint): void {
    this.#next = upTo;
    this.#events.records({ topic: 'ends', partition: 0 }, []);
  }

  next(): bigint {
    return this.#next;
  }

  seek(_at: unknown, offset: bigint): void {
    this.#next = offset;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    return undefined;
  }
}

describe('the topic of transactions is read', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const PATIENCE_MS = 10_000;
  const message = (position: number): KafkaRecord => {
    const value = endMessage(position, BigInt(position), {});
    return { offset: BigInt(position), timestamp: position, value, headers: [] };
  };
  const opened = (isLenient = false): { readonly cursor: EndCursor; readonly reader: Given } => {
    const readers: Given[] = [];
    const readerOf = (events: ReaderEvents): Given => {
      const reader = new Given(events);
      readers.push(reader);
      return reader;
    };
    const cursor = new EndCursor('ends', PATIENCE_MS, readerOf, isLenient);
    return { cursor, reader: readers[0] ?? new Given({ records: () => undefined, failed: () => undefined }) };
  };

  test('to its end, also where the last offsets are none of a message', async () => {
    const { cursor, reader } = opened();
    reader.give(message(3));
    expect((await cursor.next(6n))?.event.end).toBe(at(3));
    const next = cursor.next(6n);
    reader.pass(6n);
    expect(await next).toBeNull();
  });

  test('and brokers that are silent do not make it shorter', async () => {
    const { cursor, reader } = opened();
    const late = findEnd(cursor, { low: 0n, high: 10n }, { after: at(3), last: null });
    await vi.advanceTimersByTimeAsync(PATIENCE_MS - 1);
    reader.give(message(1));
    await vi.advanceTimersByTimeAsync(PATIENCE_MS - 1);
    reader.give(message(2), message(3));
    expect((await late).event.end).toBe(at(3));
    const silent = findEnd(cursor, { low: 0n, high: 10n }, { after: at(3), last: null });
    const failed = expect(silent).rejects.toMatchObject({ failure: 'retry' });
    await vi.advanceTimersByTimeAsync(PATIENCE_MS);
    await failed;
  });

  test('and what is no end is named, unless what is sought is known', async () => {
    const foreign = { ...message(2), value: Buffer.from('hunter2') };
    const strict = opened();
    strict.reader.give(foreign, message(3));
    await expect(strict.cursor.next(6n)).rejects.toThrow('(message 2 of partition 0 of ends)');
    const lenient = opened(true);
    lenient.reader.give(foreign, message(3));
    expect((await lenient.cursor.next(6n))?.event.end).toBe(at(3));
  });
});
