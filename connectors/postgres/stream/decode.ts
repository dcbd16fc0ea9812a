import { type Lsn, lsnFromBits, maxLsn, ZERO_LSN } from '../../../src/core/position/lsn.ts';
import type { Change, Commit, FeedItem, Relation } from '../../../src/core/rows/change.ts';
import { filled, type Row } from '../../../src/core/rows/row.ts';
import { ConnectorError } from '../../connector.ts';
import { DELETE, INSERT, malformed, NEW_ROW, UPDATE } from './pgoutput.ts';
import { readRelation, sameRelation, withPartition } from './relation-message.ts';
import { WireRow } from './wire-row.ts';

const NOTHING: readonly Relation[] = [];
const BEGIN = 0x42;
const COMMIT = 0x43;
const MESSAGE = 0x4d;
const ORIGIN = 0x4f;
const RELATION = 0x52;
const TRUNCATE = 0x54;
const TYPE = 0x59;
const STREAM_START = 0x53;
const STREAM_STOP = 0x45;
const STREAM_COMMIT = 0x63;
const STREAM_ABORT = 0x41;

const OLD_KEY = 0x4b;
const OLD_ROW = 0x4f;

type Relations = Map<number, Relation>;

/** One chunk of a transaction in progress, from its stream start to its stream stop. */
interface Chunk {
  readonly xid: number;
  readonly relations: Relations;
  /** The item that changes are added to, as long as they are of the same subtransaction. */
  part: { readonly item: FeedItem; readonly subxid: number; readonly changes: Change[] } | null;
}

/**
 * Reads pgoutput messages of protocol versions 1 and 2 in place; keeps the relation descriptions the stream sent so far
 * and whether a transaction is half delivered. Rows stay inside the buffer they came in, which must not be written again.
 */
export class PgoutputDecoder {
  readonly #relations: Relations = new Map();
  /** By transaction in progress: its descriptions of relations hold for others only once it has committed. */
  readonly #early = new Map<number, Relations>();
  /** The relations described since the last change, the last two of them at most. */
  #described: readonly Relation[] = NOTHING;
  #chunk: Chunk | null = null;
  #buffer: Buffer = Buffer.alloc(0);
  /** A view of `#buffer`. */
  #view: DataView = new DataView(new ArrayBuffer(0));
  #at = 0;
  /** The message's new row when it is not in the message, but comes through a PassingRow. */
  #passing: Row | null = null;
  #inTransaction = false;
  #lastCommit: Lsn = ZERO_LSN;

  /** Whether a transaction, or a chunk of one in progress, was begun and has not ended. */
  get inTransaction(): boolean {
    return this.#inTransaction || this.#chunk !== null;
  }

  /** End of the last commit read; zero before the first. */
  get lastCommit(): Lsn {
    return this.#lastCommit;
  }

  /** Inside a chunk of a transaction in progress. */
  get isInPart(): boolean {
    return this.#chunk !== null;
  }

  /** Appends what one message says to `items`; throws a ConnectorError on one it does not know. A `passing` new row is not in it. */
  decode(buffer: Buffer, start: number, items: FeedItem[], passing: Row | null = null): void {
    this.#passing = passing;
    if (buffer !== this.#buffer) {
      this.#buffer = buffer;
      this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    }
    this.#at = start + 1;
    const tag = buffer[start] ?? 0;
    if (this.#chunk === null) this.#ordinary(tag, items);
    else this.#inChunk(tag, this.#chunk, items);
  }

  #ordinary(tag: number, items: FeedItem[]): void {
    const change = this.#change(tag);
    if (change !== null) {
      items.push(change);
      return;
    }
    switch (tag) {
      case BEGIN:
        items.push(this.#begin());
        break;
      case COMMIT:
        items.push(this.#commit());
        break;
      case STREAM_START:
        this.#startChunk();
        break;
      case STREAM_COMMIT:
        items.push(this.#commitEarly());
        break;
      case STREAM_ABORT:
        items.push(this.#abortEarly());
        break;
      default:
        this.#aside(tag);
    }
  }

  /** Every message of a chunk but its end names the subtransaction it is from. */
  #inChunk(tag: number, chunk: Chunk, items: FeedItem[]): void {
    if (tag === STREAM_STOP) {
      this.#chunk = null;
      return;
    }
    const subxid = this.#int32();
    const change = this.#change(tag);
    if (change === null) return this.#aside(tag);
    const { part } = chunk;
    if (part !== null && part.subxid === subxid && items.at(-1) === part.item) {
      part.changes.push(change);
      return;
    }
    const changes = [change];
    const item: FeedItem = { kind: 'early-part', xid: chunk.xid, subxid, changes };
    chunk.part = { item, subxid, changes };
    items.push(item);
  }

  #change(tag: number): Change | null {
    switch (tag) {
      case INSERT:
        return this.#insert();
      case UPDATE:
        return this.#update();
      case DELETE:
        return this.#delete();
      case TRUNCATE:
        return this.#truncate();
      default:
        return null;
    }
  }

  /** Messages that make no item. */
  #aside(tag: number): void {
    if (tag === RELATION) this.#describe();
    else if (tag !== TYPE && tag !== ORIGIN && tag !== MESSAGE)
      throw new ConnectorError('unfit', `the stream holds a message of an unknown kind (${tag})`);
  }

  #begin(): FeedItem {
    this.#inTransaction = true;
    const commit = this.#lsn();
    this.#at += 8;
    return { kind: 'begin', xid: this.#int32(), commit };
  }

  #startChunk(): void {
    if (this.#inTransaction) throw malformed('a part of one transaction inside another');
    const xid = this.#int32();
    const relations = this.#early.get(xid) ?? new Map<number, Relation>();
    this.#early.set(xid, relations);
    this.#chunk = { xid, relations, part: null };
  }

  #commitEarly(): FeedItem {
    const xid = this.#int32();
    this.#at += 1;
    const commit = this.#lsn();
    const ended = this.#end();
    for (const relation of this.#early.get(xid)?.values() ?? []) this.#keep(this.#relations, relation);
    this.#early.delete(xid);
    return { kind: 'early-commit', xid, commit, ...ended };
  }

  #abortEarly(): FeedItem {
    const xid = this.#int32();
    const subxid = this.#int32();
    if (subxid === xid) this.#early.delete(xid);
    return { kind: 'early-abort', xid, subxid };
  }

  #insert(): Change {
    const relation = this.#rowRelation();
    return { kind: 'insert', relation, after: this.#newRow(relation) };
  }

  #update(): Change {
    const relation = this.#rowRelation();
    const part = this.#buffer[this.#at];
    if (part !== OLD_KEY && part !== OLD_ROW)
      return { kind: 'update', relation, after: this.#newRow(relation), before: null };
    this.#at += 1;
    const before = this.#row(relation);
    const after = this.#newRow(relation);
    return { kind: 'update', relation, after: part === OLD_ROW ? filled(after, before) : after, before };
  }

  #delete(): Change {
    const relation = this.#rowRelation();
    const part = this.#buffer[this.#at];
    if (part !== OLD_KEY && part !== OLD_ROW) throw malformed('a delete without its key');
    this.#at += 1;
    return { kind: 'delete', relation, before: this.#row(relation) };
  }

  #commit(): FeedItem {
    this.#at += 9;
    this.#inTransaction = false;
    const { end, time } = this.#end();
    return { kind: 'commit', end, time };
  }

  /** The end and the time of a commit. */
  #end(): Commit {
    const end = this.#lsn();
    this.#lastCommit = maxLsn(this.#lastCommit, end);
    // Microseconds, which a number holds exactly for centuries.
    const time = this.#view.getInt32(this.#at) * 2 ** 32 + this.#view.getUint32(this.#at + 4);
    return { end, time };
  }

  #truncate(): Change {
    const count = this.#buffer.readUInt32BE(this.#at);
    this.#at += 5;
    this.#described = NOTHING;
    const relations: Relation[] = [];
    for (let index = 0; index < count; index += 1) relations.push(this.#relation());
    return { kind: 'truncate', relations };
  }

  #rowRelation(): Relation {
    const described = this.#described;
    this.#described = NOTHING;
    return withPartition(this.#relation(), described);
  }

  #relation(): Relation {
    const oid = this.#int32();
    const relation = (this.#chunk?.relations ?? this.#relations).get(oid);
    if (relation === undefined) throw malformed(`a change of relation ${oid} before its description`);
    return relation;
  }

  #newRow(relation: Relation): Row {
    if (this.#buffer[this.#at] !== NEW_ROW) throw malformed('a change without its new row');
    this.#at += 1;
    const passing = this.#passing;
    if (passing !== null && passing.width !== relation.columns.length)
      throw malformed('a row of another width than its relation');
    return passing ?? this.#row(relation);
  }

  #row({ columns }: Relation): Row {
    if (this.#buffer.readUInt16BE(this.#at) !== columns.length)
      throw malformed('a row of another width than its relation');
    const row = new WireRow(this.#buffer, this.#at, columns.length);
    this.#at = row.end;
    return row;
  }

  #describe(): void {
    const described = readRelation(this.#buffer, this.#at);
    this.#described = [...this.#described.slice(-1), described];
    this.#keep(this.#chunk?.relations ?? this.#relations, described);
  }

  /** The target repeats descriptions freely; the same object stands for the same shape. */
  #keep(relations: Relations, described: Relation): void {
    const { oid } = described;
    const known = relations.get(oid) ?? this.#relations.get(oid);
    relations.set(oid, known !== undefined && sameRelation(known, described) ? known : described);
  }

  #int32(): number {
    const value = this.#buffer.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  #lsn(): Lsn {
    // One big number, where the buffer's own way makes four.
    const value = lsnFromBits(this.#view.getBigUint64(this.#at));
    this.#at += 8;
    return value;
  }
}
