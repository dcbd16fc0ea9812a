import { type Lsn, lsnFromBits } from '../../src/core/position/lsn.ts';
import { ConnectorError } from '../connector.ts';
import {
  isObject,
  type JsonObject,
  type JsonValue,
  type Message,
  member,
  numberOf,
  parse,
  textOf,
} from './json.ts';

/** A change of one row, or a truncate, as Debezium tells it. */
export interface RowEvent {
  readonly kind: 'row';
  /** `schema.table`: how the transaction's end counts it. */
  readonly collection: string;
  readonly op: 'c' | 'u' | 'd' | 't';
  readonly xid: string;
  /** The end of the commit before the event's own; null for the first one after Debezium began anew. */
  readonly previous: Lsn | null;
  /** Its number among all changes of the table in the transaction, from 1, whatever partitions they are in. */
  readonly order: number;
  readonly at: Lsn;
  readonly before: JsonValue;
  readonly after: JsonValue;
  readonly schema: Buffer | null;
  /** Connect's converter has written a column's default where it was null. */
  readonly replacesNulls: boolean;
  /** Debezium makes two events of a change of the key: the delete of the old one and the insert of the new one. */
  readonly rekey: 'old' | 'new' | null;
}

/** What a message of a table's topic says. */
export type TableEvent =
  | RowEvent
  /** A row that Debezium read from the table, not a change; `at` is null where somebody asked for it while Debezium streamed. */
  | { readonly kind: 'read'; readonly at: Lsn | null };

/** The end of a transaction. */
export interface TransactionEnd {
  readonly xid: string;
  readonly end: Lsn;
  /** On the target's clock, in microseconds. */
  readonly time: number;
  /** Changes by `schema.table`. */
  readonly counts: ReadonlyMap<string, number>;
}

const OPERATIONS = ['c', 'u', 'd', 't'] as const;
const READ = 'r';
const OLD_KEY_HEADER = '__debezium.oldkey';
const NEW_KEY_HEADER = '__debezium.newkey';
const END_ID = /^(\d+):(\d+)$/;
const DIGITS = /^\d+$/;

/** Where a message is. */
interface MessagePlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

/** Reads a message; where it cannot be understood the error says which one it is. */
export function readAt<T>({ topic, partition, offset }: MessagePlace, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    const where = `message ${offset} of partition ${partition} of ${topic}`;
    throw new ConnectorError(error.failure, `${error.message} (${where})`, error.cause);
  }
}

/** Reads a message from before what is wanted, where one that cannot be understood is nobody's trouble. */
export function readOrPass<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConnectorError) return null;
    throw error;
  }
}

/** Reads a message of a table's topic. Throws a ConnectorError that says what to set where Debezium does not tell enough. */
export function tableEvent({ schema, payload }: Message, headers: readonly string[]): TableEvent {
  const source = member(payload, 'source');
  const op = textOf(member(payload, 'op'));
  if (!isObject(source) || op === null) throw flat();
  if (textOf(member(source, 'connector')) !== 'postgresql')
    throw unfit('the topic holds changes of something else than a Postgres database');
  if (op === READ && textOf(member(source, 'snapshot')) === 'incremental') return { kind: 'read', at: null };
  const at = lsnOf(member(source, 'lsn'));
  if (op === READ) return { kind: 'read', at };
  const known = OPERATIONS.find((each) => each === op);
  if (known === undefined) throw unfit(`an event has the unknown operation ${op}`);
  return {
    kind: 'row',
    collection: collectionOf(source),
    op: known,
    ...transactionOf(payload),
    previous: previousOf(source),
    at,
    before: member(payload, 'before'),
    after: member(payload, 'after'),
    schema,
    replacesNulls: textOf(member(source, 'snapshot')) !== null,
    rekey: rekeyOf(known, headers),
  };
}

/** Reads a message of the topic of transactions; null for the beginning of one. */
export function transactionEnd({ payload }: Message): TransactionEnd | null {
  const status = textOf(member(payload, 'status'));
  if (status === 'BEGIN') return null;
  const [, xid, end] = END_ID.exec(textOf(member(payload, 'id')) ?? '') ?? [];
  const collections = member(payload, 'data_collections');
  if (status !== 'END' || xid === undefined || end === undefined || !Array.isArray(collections))
    throw unfit('the topic of transactions holds a message that is none of a Postgres connector');
  const counts = collections as readonly JsonValue[];
  return {
    xid,
    end: lsnFromBits(BigInt(end)),
    time: countOf(member(payload, 'ts_ms')) * 1000,
    counts: new Map(counts.map((each) => [nameIn(each), countOf(member(each, 'event_count'))])),
  };
}

function nameIn(each: JsonValue): string {
  return textOf(member(each, 'data_collection')) ?? '';
}

function collectionOf(source: JsonObject): string {
  return `${textOf(member(source, 'schema')) ?? ''}.${textOf(member(source, 'table')) ?? ''}`;
}

/** `transaction.id` is the transaction's number and where its first change lies. */
function transactionOf(payload: JsonValue): Pick<RowEvent, 'xid' | 'order'> {
  const transaction = member(payload, 'transaction');
  const [xid] = (textOf(member(transaction, 'id')) ?? '').split(':');
  if (xid === undefined || !DIGITS.test(xid))
    throw unfit(
      'events do not name their transaction: set provide.transaction.metadata=true on the Debezium connector',
    );
  return { xid, order: countOf(member(transaction, 'data_collection_order')) };
}

function rekeyOf(op: RowEvent['op'], headers: readonly string[]): RowEvent['rekey'] {
  if (op === 'd' && headers.includes(NEW_KEY_HEADER)) return 'old';
  return op === 'c' && headers.includes(OLD_KEY_HEADER) ? 'new' : null;
}

/** `source.sequence` holds two positions: the first is where the commit before this transaction ended. */
function previousOf(source: JsonObject): Lsn | null {
  const text = textOf(member(source, 'sequence'));
  if (text === null) throw unfit('events do not say which commit came before them (source.sequence)');
  const positions = parse(text);
  const previous = Array.isArray(positions) ? ((positions as readonly JsonValue[])[0] ?? null) : null;
  return previous === null ? null : lsnOf(previous);
}

/** Debezium writes positions as signed 64-bit numbers. */
function lsnOf(value: JsonValue): Lsn {
  const text = numberOf(value);
  if (text === null || !/^-?\d+$/.test(text)) throw unfit('an event does not say where it was (source.lsn)');
  return lsnFromBits(BigInt(text));
}

function countOf(value: JsonValue): number {
  const text = numberOf(value);
  const number = Number(text);
  if (text === null || !Number.isSafeInteger(number))
    throw unfit('a number is missing in the metadata of a transaction');
  return number;
}

function flat(): ConnectorError {
  return unfit(
    'messages are not Debezium’s change events: take transforms such as ExtractNewRecordState, and other converters than org.apache.kafka.connect.json.JsonConverter, off the connector',
  );
}

function unfit(what: string): ConnectorError {
  return new ConnectorError('unfit', `cannot follow the topics: ${what}`);
}
