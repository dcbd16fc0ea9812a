import type { Relation, RelationColumn, StreamItem } from '../../src/core/change.ts';
import { type Lsn, lsnFromBits, maxLsn, ZERO_LSN } from '../../src/core/lsn.ts';
import { completed, type Row } from '../../src/core/row.ts';
import { ConnectorError } from '../connector.ts';
import { WireRow } from './wire-row.ts';

const BEGIN = 0x42;
const COMMIT = 0x43;
const DELETE = 0x44;
const INSERT = 0x49;
const MESSAGE = 0x4d;
const ORIGIN = 0x4f;
const RELATION = 0x52;
const TRUNCATE = 0x54;
const UPDATE = 0x55;
const TYPE = 0x59;

const NEW_ROW = 0x4e;
const OLD_KEY = 0x4b;
const OLD_ROW = 0x4f;

/**
 * Reads pgoutput messages of protocol version 1 in place; keeps the relation descriptions the stream sent so far
 * and whether a transaction is half delivered. Rows stay inside the buffer they came in, which must not be written again.
 */
export class PgoutputDecoder {
  readonly #relations = new Map<number, Relation>();
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  #inTransaction = false;
  #lastCommit: Lsn = ZERO_LSN;

  /** Whether a begin was read whose commit is still to come. */
  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  /** End of the last commit read; zero before the first. */
  get lastCommit(): Lsn {
    return this.#lastCommit;
  }

  /** Appends what one message says to `items`; throws a ConnectorError on a message it does not know. */
  decode(buffer: Buffer, start: number, items: StreamItem[]): void {
    this.#buffer = buffer;
    this.#at = start + 1;
    switch (buffer[start]) {
      case INSERT:
        items.push(this.#insert());
        break;
      case UPDATE:
        items.push(this.#update());
        break;
      case DELETE:
        items.push(this.#delete());
        break;
      case BEGIN:
        this.#inTransaction = true;
        items.push({
          kind: 'begin',
          xid: buffer.readUInt32BE(start + 17),
          commit: lsnFromBits(buffer.readBigUInt64BE(start + 1)),
        });
        break;
      case COMMIT:
        items.push(this.#commit());
        break;
      case RELATION:
        this.#describe();
        break;
      case TRUNCATE:
        items.push(this.#truncate());
        break;
      case TYPE:
      case ORIGIN:
      case MESSAGE:
        break;
      default:
        throw new ConnectorError('unfit', `the stream holds a message of an unknown kind (${buffer[start]})`);
    }
  }

  #insert(): StreamItem {
    const relation = this.#relation();
    this.#expect(NEW_ROW);
    return { kind: 'insert', relation, after: this.#row(relation) };
  }

  #update(): StreamItem {
    const relation = this.#relation();
    const part = this.#buffer[this.#at];
    if (part !== OLD_KEY && part !== OLD_ROW) {
      this.#expect(NEW_ROW);
      return { kind: 'update', relation, after: this.#row(relation), before: null };
    }
    this.#at += 1;
    const before = this.#row(relation);
    this.#expect(NEW_ROW);
    const after = this.#row(relation);
    return { kind: 'update', relation, after: part === OLD_ROW ? filled(after, before) : after, before };
  }

  #delete(): StreamItem {
    const relation = this.#relation();
    const part = this.#buffer[this.#at];
    if (part !== OLD_KEY && part !== OLD_ROW) throw malformed('a delete without its key');
    this.#at += 1;
    return { kind: 'delete', relation, before: this.#row(relation) };
  }

  #commit(): StreamItem {
    const end = lsnFromBits(this.#buffer.readBigUInt64BE(this.#at + 9));
    this.#inTransaction = false;
    this.#lastCommit = maxLsn(this.#lastCommit, end);
    return { kind: 'commit', end, time: Number(this.#buffer.readBigInt64BE(this.#at + 17)) };
  }

  #truncate(): StreamItem {
    const count = this.#buffer.readUInt32BE(this.#at);
    this.#at += 5;
    const relations: Relation[] = [];
    for (let index = 0; index < count; index += 1) relations.push(this.#relation());
    return { kind: 'truncate', relations };
  }

  #relation(): Relation {
    const oid = this.#buffer.readUInt32BE(this.#at);
    this.#at += 4;
    const relation = this.#relations.get(oid);
    if (relation === undefined) throw malformed(`a change of relation ${oid} before its description`);
    return relation;
  }

  #expect(tag: number): void {
    if (this.#buffer[this.#at] !== tag) throw malformed('a change without its new row');
    this.#at += 1;
  }

  #row({ columns }: Relation): Row {
    if (this.#buffer.readUInt16BE(this.#at) !== columns.length)
      throw malformed('a row of another width than its relation');
    const row = new WireRow(this.#buffer, this.#at, columns.length);
    this.#at = row.end;
    return row;
  }

  #describe(): void {
    const oid = this.#buffer.readUInt32BE(this.#at);
    this.#at += 4;
    const schema = this.#name();
    const name = this.#name();
    const replicaIdentity = identityOf(this.#buffer[this.#at]);
    const count = this.#buffer.readUInt16BE(this.#at + 1);
    this.#at += 3;
    const columns: RelationColumn[] = [];
    for (let index = 0; index < count; index += 1) columns.push(this.#column());
    // The stream leaves the name of pg_catalog out.
    const table = { schema: schema === '' ? 'pg_catalog' : schema, name };
    const described: Relation = { oid, table, replicaIdentity, columns };
    const known = this.#relations.get(oid);
    // The target repeats descriptions freely; the same object stands for the same shape.
    if (known === undefined || !sameRelation(known, described)) this.#relations.set(oid, described);
  }

  #column(): RelationColumn {
    const isKey = ((this.#buffer[this.#at] ?? 0) & 1) === 1;
    this.#at += 1;
    const name = this.#name();
    const typeOid = this.#buffer.readUInt32BE(this.#at);
    const typeModifier = this.#buffer.readInt32BE(this.#at + 4);
    this.#at += 8;
    return { name, typeOid, typeModifier, isKey };
  }

  #name(): string {
    const end = this.#buffer.indexOf(0, this.#at);
    const name = this.#buffer.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return name;
  }
}

/** An unchanged large value is never null, so a null in the old row only says that it was not sent. */
function filled(after: Row, before: Row): Row {
  if (after.isWhole) return after;
  const places = Array.from({ length: after.width }, (_, at) => at);
  const known = places.filter((at) => !after.has(at) && before.cell(at) !== null);
  return completed(after, before, known);
}

function identityOf(byte: number | undefined): Relation['replicaIdentity'] {
  const letter = String.fromCharCode(byte ?? 0);
  if (letter === 'd' || letter === 'n' || letter === 'f' || letter === 'i') return letter;
  throw malformed('a relation of an unknown replica identity');
}

function sameRelation(a: Relation, b: Relation): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function malformed(what: string): ConnectorError {
  return new ConnectorError('retry', `the stream is malformed: it holds ${what}`);
}
