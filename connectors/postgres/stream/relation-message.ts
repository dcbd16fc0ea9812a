import type { Relation, RelationColumn } from '../../../src/core/rows/change.ts';
import { malformed } from './pgoutput.ts';

/** Reads the description of a relation, whose number is at `start`; throws a ConnectorError when it cannot be one. */
export function readRelation(buffer: Buffer, start: number): Relation {
  let at = start + 4;
  const name = (): string => {
    const from = at;
    at = buffer.indexOf(0, from) + 1;
    return buffer.toString('utf8', from, at - 1);
  };
  const column = (): RelationColumn => {
    const isKey = ((buffer[at] ?? 0) & 1) === 1;
    at += 1;
    const columnName = name();
    at += 8;
    return {
      name: columnName,
      typeOid: buffer.readUInt32BE(at - 8),
      typeModifier: buffer.readInt32BE(at - 4),
      isKey,
    };
  };
  const schema = name();
  // The stream leaves the name of pg_catalog out.
  const table = { schema: schema === '' ? 'pg_catalog' : schema, name: name() };
  const replicaIdentity = identityOf(buffer[at]);
  const count = buffer.readUInt16BE(at + 1);
  at += 3;
  return {
    oid: buffer.readUInt32BE(start),
    table,
    replicaIdentity,
    columns: Array.from({ length: count }, column),
  };
}

/** A partition is described behind the table as whose its rows are told, and right before the first of them. */
export function withPartition(relation: Relation, described: readonly Relation[]): Relation {
  // Of every row: nearly all come behind other rows.
  if (described.length < 2) return relation;
  const [whole, partition] = described;
  const isTold = partition !== undefined && whole?.oid === relation.oid && partition.oid !== relation.oid;
  return isTold ? { ...relation, partition } : relation;
}

/** Whether both describe the same relation in the same way. */
export function sameRelation(a: Relation, b: Relation): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function identityOf(byte: number | undefined): Relation['replicaIdentity'] {
  const letter = String.fromCharCode(byte ?? 0);
  if (letter === 'd' || letter === 'n' || letter === 'f' || letter === 'i') return letter;
  throw malformed('a relation of an unknown replica identity');
}
