import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventReader } from '../../../../connectors/kafka/debezium.ts';
import { tableEvent, transactionEnd } from '../../../../connectors/kafka/envelope.ts';
import { MessageReader } from '../../../../connectors/kafka/json.ts';
import type { TableLayout } from '../../../../connectors/kafka/layout.ts';
import { Assembler } from '../../../../connectors/kafka/transactions.ts';
import type { Lsn } from '../../../../src/core/position/lsn.ts';
import type { StreamItem } from '../../../../src/core/rows/change.ts';
import { endMessage, eventMessage, type MadeEvent } from '../../../support/kafka-events.ts';

const PARTITIONS = 3;
const TABLES = ['a', 'b'] as const;
const COLUMNS = { id: { type: 'int32', name: null } };

/** What one message says, and where it is put. */
type Sent =
  | { readonly topic: 'end'; readonly bytes: Buffer }
  | {
      readonly topic: string;
      readonly partition: number;
      readonly bytes: Buffer;
      readonly headers?: readonly string[];
    };

interface Made {
  readonly table: string;
  readonly partition: number;
  readonly row: number;
}

/** Transactions in commit order, as lists of changes; the position of one is ten times its number. */
type History = readonly (readonly Made[])[];

function layoutOf(collection: string): TableLayout {
  const [schema = '', name = ''] = collection.split('.');
  const id = { name: 'id', typeOid: 23, typeModifier: -1, kind: 'integer', isKey: true } as const;
  return { table: { schema, name }, oid: 1, columns: [id] };
}

const endOf = (at: number): bigint => BigInt((at + 1) * 10);

/** The messages of one transaction, in the order Debezium sends them. */
function messagesOf(history: History, at: number): readonly Sent[] {
  const counts: Record<string, number> = {};
  const changes = (history[at] ?? []).map(({ table, partition, row }, index): Sent => {
    const name = `public.${table}`;
    counts[name] = (counts[name] ?? 0) + 1;
    const event: MadeEvent = {
      op: 'c',
      xid: at,
      previous: endOf(at - 1),
      order: counts[name],
      lsn: endOf(at) - 9n + BigInt(index),
      table,
      after: `{"id":${row}}`,
    };
    return { topic: name, partition, bytes: eventMessage(event, COLUMNS) };
  });
  return [...changes, { topic: 'end', bytes: endMessage(at, endOf(at), counts) }];
}

/** All that is sent when Debezium is killed now and then, and goes on from an earlier change each time. */
function sentWith(history: History, restarts: readonly (readonly [number, number])[]): readonly Sent[] {
  const all = history.flatMap((_, at) => messagesOf(history, at));
  const sent: Sent[] = [];
  let from = 0;
  for (const [share, back] of restarts) {
    const upTo = from + Math.floor(((all.length - from) * share) / 100);
    sent.push(...all.slice(from, upTo));
    from = Math.max(0, upTo - back);
  }
  return [...sent, ...all.slice(from)];
}

class Feeder {
  readonly #assembler: Assembler;
  readonly #readers = new Map<string, MessageReader>();
  readonly items: StreamItem[] = [];

  constructor(after: bigint) {
    this.#assembler = new Assembler({
      after: after as Lsn,
      reader: new EventReader('gone'),
      partitions: new Map(TABLES.map((table) => [`public.${table}`, PARTITIONS])),
      layoutOf,
    });
  }

  push(message: Sent): void {
    const reader = this.#readers.get(message.topic) ?? new MessageReader();
    this.#readers.set(message.topic, reader);
    const read = reader.read(message.bytes);
    const bytes = message.bytes.length;
    if ('partition' in message) {
      this.#assembler.pushEvent(message.topic, message.partition, {
        event: tableEvent(read, message.headers ?? []),
        bytes,
      });
    } else {
      const event = transactionEnd(read);
      if (event !== null) this.#assembler.pushEnd({ event, bytes });
    }
  }

  drain(): void {
    for (let items = this.#assembler.next(); items.length > 0; items = this.#assembler.next())
      this.items.push(...items);
  }

  get waiting(): number {
    const places = TABLES.flatMap((table) =>
      [0, 1, 2].map((partition) => [`public.${table}`, partition] as const),
    );
    const { endBytes } = this.#assembler;
    return places.reduce((sum, [name, at]) => sum + this.#assembler.bytesOf(name, at), endBytes);
  }
}

/** What the items say: a list of `table:row` for each transaction with changes, by its end; progress without any is left out. */
function toldBy(items: readonly StreamItem[]): readonly (readonly [bigint, readonly string[]])[] {
  const told: (readonly [bigint, readonly string[]])[] = [];
  let changes: string[] = [];
  for (const item of items) {
    if (item.kind === 'insert') changes.push(`${item.relation.table.name}:${String(item.after.cell(0))}`);
    else if (item.kind === 'update')
      changes.push(
        `${item.relation.table.name}:${String(item.before?.cell(0))}>${String(item.after.cell(0))}`,
      );
    else if (item.kind === 'delete')
      changes.push(`${item.relation.table.name}:-${String(item.before.cell(0))}`);
    else if (item.kind === 'begin') changes = [];
    else if (item.kind === 'commit') told.push([item.end, changes]);
  }
  return told;
}

/** Table by table, as the changes of one transaction are told. */
function expected(history: History, after: number): ReturnType<typeof toldBy> {
  return history.flatMap((changes, at) => {
    if (at <= after || changes.length === 0) return [];
    const tables = [...new Set(changes.map(({ table }) => table))];
    const rows = tables.flatMap((name) =>
      changes.filter(({ table }) => table === name).map(({ table, row }) => `${table}:${row}`),
    );
    return [[endOf(at), rows] as const];
  });
}

const change = fc.record({
  table: fc.constantFrom(...TABLES),
  partition: fc.nat(PARTITIONS - 1),
  row: fc.nat(1_000),
});
const history = fc.array(fc.array(change, { maxLength: 6 }), { minLength: 1, maxLength: 25 });
const restarts = fc.array(fc.tuple(fc.nat(100), fc.nat(30)), { maxLength: 4 });

/** Reads partition by partition in any order, each from its own beginning. */
function shuffled(sent: readonly Sent[], picks: readonly number[]): readonly Sent[] {
  const lanes = new Map<string, Sent[]>();
  for (const message of sent) {
    const lane = 'partition' in message ? `${message.topic}/${message.partition}` : message.topic;
    lanes.set(lane, [...(lanes.get(lane) ?? []), message]);
  }
  const order: Sent[] = [];
  for (let turn = 0; lanes.size > 0; turn += 1) {
    const names = [...lanes.keys()];
    const name = names[(picks[turn % Math.max(1, picks.length)] ?? 0) % names.length] ?? '';
    const lane = lanes.get(name) ?? [];
    const next = lane.shift();
    if (next !== undefined) order.push(next);
    if (lane.length === 0) lanes.delete(name);
  }
  return order;
}

describe('transactions out of the topics', () => {
  test('are whole, in commit order, once each, however partitions are read and Debezium is restarted', () => {
    fc.assert(
      fc.property(
        history,
        restarts,
        fc.array(fc.nat(100), { minLength: 1, maxLength: 60 }),
        fc.nat(5),
        (made, killed, picks, every) => {
          const feeder = new Feeder(0n);
          for (const [turn, message] of shuffled(sentWith(made, killed), picks).entries()) {
            feeder.push(message);
            if (turn % (every + 1) === 0) feeder.drain();
          }
          feeder.drain();
          expect(toldBy(feeder.items)).toEqual(expected(made, -1));
          const last = feeder.items.at(-1);
          expect(last).toEqual({ kind: 'progress', position: endOf(made.length - 1) });
        },
      ),
      { numRuns: 300 },
    );
  });

  test('go on after a position, whatever comes before it again', () => {
    fc.assert(
      fc.property(
        history,
        restarts,
        fc.nat(24),
        fc.array(fc.nat(100), { minLength: 1 }),
        (made, killed, at, picks) => {
          const after = Math.min(at, made.length - 1);
          const feeder = new Feeder(endOf(after));
          for (const message of shuffled(sentWith(made, killed), picks)) feeder.push(message);
          feeder.drain();
          expect(toldBy(feeder.items)).toEqual(expected(made, after));
        },
      ),
      { numRuns: 200 },
    );
  });

  const one = (row: number, partition = 0): Made => ({ table: 'a', partition, row });

  test('a lost change is a gap as soon as every partition has gone past it', () => {
    const made: History = [
      [one(1), one(2, 1), one(3, 2)],
      [one(4), one(5, 1), one(6, 2)],
    ];
    const feeder = new Feeder(0n);
    const sent = sentWith(made, []).filter((_, at) => at !== 1);
    expect(() => {
      for (const message of sent) feeder.push(message);
      feeder.drain();
    }).toThrow('a change of public.a in the commit at 0/A is not in its topic');
    expect(toldBy(feeder.items)).toEqual([]);
  });

  test('a commit that only the changes know of is a gap', () => {
    const feeder = new Feeder(0n);
    const [first, , third] = [[one(1)], [one(2)], [one(3)]].map((_, at, made) => messagesOf(made, at));
    for (const message of [...(first ?? []), ...(third ?? [])]) feeder.push(message);
    expect(() => feeder.drain()).toThrow(
      'a commit before the one at 0/1E is not in the topic of transactions',
    );
  });

  test.each([
    ['without its offsets', { op: 'c', xid: 7, previous: null, lsn: 99n, table: 'a', after: '{"id":1}' }],
    ['with a snapshot', { op: 'r', xid: 7, lsn: 99n, table: 'a', snapshot: 'first', after: '{"id":1}' }],
  ])('Debezium that began anew %s may have left changes out', (_title, event) => {
    const feeder = new Feeder(10n);
    const message = { topic: 'public.a', partition: 0, bytes: eventMessage(event, COLUMNS) };
    expect(() => feeder.push(message)).toThrow('Debezium began anew');
  });

  test('rows read on demand, and those of an old beginning, are left out', () => {
    const feeder = new Feeder(100n);
    for (const event of [
      { op: 'r', lsn: 200n, table: 'a', snapshot: 'incremental', after: '{"id":1}' },
      { op: 'r', lsn: 99n, table: 'a', snapshot: 'last', after: '{"id":1}' },
      { op: 'c', lsn: 99n, previous: null, table: 'a', after: '{"id":1}' },
    ])
      feeder.push({ topic: 'public.a', partition: 0, bytes: eventMessage(event, COLUMNS) });
    expect(feeder.waiting).toBe(0);
  });

  test('another commit where one was before is another history', () => {
    const feeder = new Feeder(0n);
    for (const message of sentWith([[one(1)], [one(2)], [one(3)]], [])) feeder.push(message);
    feeder.drain();
    feeder.push({ topic: 'end', bytes: endMessage(77, 25n, {}) });
    expect(() => feeder.drain()).toThrow('the target was put back to an earlier state');
  });

  test('the same commit again is none', () => {
    const feeder = new Feeder(0n);
    const made: History = [[one(1)], [one(2)]];
    for (const message of [...sentWith(made, []), ...messagesOf(made, 0), ...messagesOf(made, 1)]) {
      feeder.push(message);
      feeder.drain();
    }
    expect(toldBy(feeder.items)).toEqual(expected(made, -1));
    expect(feeder.waiting).toBe(0);
  });

  test('what waits counts until it is told, so that what was held back because of it goes on', () => {
    const feeder = new Feeder(0n);
    const sent = messagesOf([[one(1), one(2, 1)]], 0);
    let bytes = 0;
    for (const message of sent) {
      feeder.push(message);
      bytes += message.bytes.length;
      expect(feeder.waiting).toBe(bytes);
    }
    feeder.drain();
    expect(feeder.waiting).toBe(0);
  });

  test('a transaction of other tables is only progress', () => {
    const feeder = new Feeder(0n);
    for (const message of messagesOf([[{ table: 'other', partition: 0, row: 1 }]], 0)) feeder.push(message);
    feeder.drain();
    expect(feeder.items).toEqual([{ kind: 'progress', position: endOf(0) }]);
  });

  test('a commit of so long ago that its number is not remembered is taken for the same', () => {
    const assembler = new Assembler({
      after: 0n as Lsn,
      reader: new EventReader('gone'),
      partitions: new Map(),
      layoutOf,
    });
    const told = (at: number, xid: number): readonly StreamItem[] => {
      const event = { end: BigInt(at) as Lsn, time: 0, xid: String(xid), counts: new Map() };
      assembler.pushEnd({ event, bytes: 1 });
      return assembler.next();
    };
    for (let at = 1; at <= 100_010; at += 1) told(at, at);
    expect(told(10, 12)).toEqual([]);
    expect(() => told(11, 12)).toThrow('the target was put back to an earlier state');
  });

  test('a table without a topic keeps its transaction waiting', () => {
    const assembler = new Assembler({
      after: 0n as Lsn,
      reader: new EventReader('gone'),
      partitions: new Map([['public.a', 0]]),
      layoutOf,
    });
    const end = transactionEnd(new MessageReader().read(endMessage(1, 10n, { 'public.a': 1 })));
    if (end !== null) assembler.pushEnd({ event: end, bytes: 1 });
    expect(assembler.next()).toEqual([{ kind: 'begin', xid: 1, commit: 10n }]);
    expect(assembler.next()).toEqual([]);
  });
});

/** A row that comes, or one whose key changes: Debezium tells that as two events at one place of the log. */
interface Kept {
  readonly table: string;
  readonly row: number;
  readonly from: number | null;
}

/** What Debezium tells in one message, before it is numbered. */
interface Told {
  readonly xid: number;
  readonly lsn: bigint;
  readonly half: { readonly table: string; readonly row: number; readonly op: 'c' | 'd' } | 'end';
  readonly header: string | null;
}

/** How one run of Debezium ends: what it had handed over, what of it was not written yet, and what it had noted. */
interface Kill {
  readonly share: number;
  readonly unwritten: readonly number[];
  readonly noted: number;
}

function toldOf(made: readonly (readonly Kept[])[]): readonly Told[] {
  return made.flatMap((changes, xid): readonly Told[] => {
    const halves = changes.flatMap(({ table, row, from }, index): readonly Told[] => {
      const lsn = endOf(xid) - 9n + BigInt(index);
      const came = { table, row, op: 'c' } as const;
      if (from === null) return [{ xid, lsn, half: came, header: null }];
      const went = { table, row: from, op: 'd' } as const;
      return [
        { xid, lsn, half: went, header: '__debezium.newkey' },
        { xid, lsn, half: came, header: '__debezium.oldkey' },
      ];
    });
    return [...halves, { xid, lsn: endOf(xid), half: 'end', header: null }];
  });
}

const laneOf = ({ half }: Told): string =>
  half === 'end' ? 'end' : `public.${half.table}/${half.row % PARTITIONS}`;

/** What Debezium has noted: how many changes it has told of the transaction it is in, and what it goes on with. */
interface Noted {
  readonly xid: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly next: number;
}

interface Stage extends Noted {
  readonly told: Told;
  readonly message: Sent;
}

/** What is sent next, and what can be noted then: all that lies at that place of the log is taken for told. */
function stageOf(all: readonly Told[], told: Told, before: Noted): Stage {
  const { xid, lsn, half, header } = told;
  const next = all.findLastIndex((each) => each.xid === xid && each.lsn === lsn) + 1;
  const counts = xid === before.xid ? before.counts : {};
  if (half === 'end')
    return { xid, counts, next, told, message: { topic: 'end', bytes: endMessage(xid, lsn, counts) } };
  const { table, row, op } = half;
  const topic = `public.${table}`;
  const order = (counts[topic] ?? 0) + 1;
  const image = { [op === 'c' ? 'after' : 'before']: `{"id":${row}}` };
  const bytes = eventMessage({ op, xid, previous: endOf(xid - 1), order, lsn, table, ...image }, COLUMNS);
  const headers = header === null ? [] : [header];
  const message = { topic, partition: row % PARTITIONS, bytes, headers };
  return { xid, counts: { ...counts, [topic]: order }, next, told, message };
}

const NO_KILL: Kill = { share: 100, unwritten: [0], noted: 0 };

/** All that is written by a Debezium that is killed now and then. */
function writtenBy(all: readonly Told[], kills: readonly Kill[]): readonly Sent[] {
  let noted: Noted = { xid: -1, counts: {}, next: 0 };
  return [...kills, NO_KILL].flatMap((kill) => {
    const count = Math.floor(((all.length - noted.next) * kill.share) / 100);
    const run = all.slice(noted.next, noted.next + count);
    const lost = lastOfLanes(run, kill.unwritten);
    const stages: Stage[] = [];
    for (const told of run) stages.push(stageOf(all, told, stages.at(-1) ?? noted));
    const firstLost = stages.findIndex(({ told }) => lost.has(told));
    const whole = firstLost === -1 ? stages : stages.slice(0, firstLost);
    noted = whole.at(-1 - kill.noted) ?? noted;
    return stages.filter(({ told }) => !lost.has(told)).map(({ message }) => message);
  });
}

/** What was handed over last and not written: some messages at the end of each partition. */
function lastOfLanes(run: readonly Told[], unwritten: readonly number[]): ReadonlySet<Told> {
  const lanes = [...new Set(run.map(laneOf))];
  return new Set(
    lanes.flatMap((lane, at) => {
      const there = run.filter((each) => laneOf(each) === lane);
      return there.slice(Math.max(0, there.length - (unwritten[at % unwritten.length] ?? 0)));
    }),
  );
}

const kept = fc.record({
  table: fc.constantFrom(...TABLES),
  row: fc.nat(30),
  from: fc.option(fc.integer({ min: 31, max: 60 }), { freq: 2 }),
});
const kill = fc.record({
  share: fc.nat(100),
  unwritten: fc.array(fc.nat(4), { minLength: 1, maxLength: 7 }),
  noted: fc.nat(8),
});

describe('a Debezium that is killed between the two halves of a changed key', () => {
  const made = fc.array(fc.array(kept, { maxLength: 8 }), { minLength: 1, maxLength: 6 });
  const told = (history: readonly (readonly Kept[])[]): ReturnType<typeof toldBy> => {
    return history.flatMap((changes, at) => {
      if (changes.length === 0) return [];
      const tables = [...new Set(changes.map(({ table }) => table))];
      const rows = tables.flatMap((name) =>
        changes
          .filter(({ table }) => table === name)
          .map(({ table, row, from }) => `${table}:${from === null ? '' : `${from}>`}${row}`),
      );
      return [[endOf(at), rows] as const];
    });
  };

  /** Every partition goes past what was before. */
  const everywhere: readonly Kept[] = TABLES.flatMap((table) =>
    [0, 1, 2].map((row) => ({ table, row, from: null })),
  );

  test('makes a gap of what it leaves out or numbers anew, and nothing else', () => {
    fc.assert(
      fc.property(
        made,
        fc.array(kill, { maxLength: 3 }),
        fc.array(fc.nat(100), { minLength: 1, maxLength: 40 }),
        fc.boolean(),
        (some, kills, picks, isLive) => {
          const feeder = new Feeder(0n);
          const history = [...some, everywhere];
          let gap: string | null = null;
          const written = writtenBy(toldOf(history), isLive ? kills.slice(0, 1) : kills);
          try {
            for (const message of isLive ? written : shuffled(written, picks)) {
              feeder.push(message);
              if (isLive) feeder.drain();
            }
            feeder.drain();
          } catch (error) {
            gap = String(error);
          }
          const expected = told(history);
          const found = toldBy(feeder.items);
          expect(found).toEqual(expected.slice(0, found.length));
          if (gap === null || kills.length === 0) expect([gap, found]).toEqual([null, expected]);
          else expect(gap).toMatch(/between changes of one place|is not in its topic/);
        },
      ),
      { numRuns: 800 },
    );
  });
});
