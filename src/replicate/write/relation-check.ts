import type { Generation, StoredColumn } from '../../cache/table/stored.ts';
import { sameNames } from '../../core/names.ts';
import type { Relation } from '../../core/rows/change.ts';
import type { TableShape } from '../../core/rows/table-shape.ts';

// Types below this are Postgres' own and have the same numbers everywhere. Those above may be domains, which have
// modifiers of their own; some come with every database, in information_schema.
const FIRST_MADE_OID = 12_000;

/** Whether a copy holds a column with its very type, length and precision. */
export function isHeldAsItIs({ oid, type }: StoredColumn): boolean {
  return oid < FIRST_MADE_OID && type !== 'text' && type !== 'text[]';
}

const UNNAMED_PARTITION = 'a partition of it has had another replica identity on the target';

/** Why the stream's table is no longer the one that was copied; null when it is. Columns the cache does not hold do not matter. */
export function relationMismatch(
  stored: Pick<Generation, 'columns' | 'key' | 'modifiers' | 'shape'>,
  relation: Relation,
): string | null {
  if (relation.fault !== undefined) return relation.fault;
  if (stored.shape !== null && stored.shape.relation !== relation.oid)
    return 'another table has its name on the target';
  const { partition } = relation;
  return (
    columnMismatch(stored, relation) ??
    keyMismatch(stored.key, relation) ??
    (partition === undefined || keyMismatch(stored.key, partition) === null ? null : UNNAMED_PARTITION) ??
    orderMismatch(stored.shape, relation)
  );
}

function columnMismatch(
  { columns, modifiers }: Pick<Generation, 'columns' | 'modifiers'>,
  relation: Relation,
): string | null {
  const found = new Map(relation.columns.map((column) => [column.name, column]));
  for (const [index, column] of columns.entries()) {
    const now = found.get(column.name);
    if (now === undefined) return `column "${column.name}" is gone or renamed on the target`;
    if (now.typeOid !== column.oid) return `column "${column.name}" has another type on the target`;
    if (isHeldAsItIs(column) && now.typeModifier !== (modifiers[index] ?? -1)) {
      return `column "${column.name}" has another length or precision on the target`;
    }
  }
  return null;
}

/**
 * Another column may have the name of one for a moment, while a transaction changes rows, and what it holds comes under that
 * name. The order tells: columns keep their places, and new ones are behind all others.
 */
function orderMismatch(shape: TableShape | null, relation: Relation): string | null {
  if (shape === null) return null;
  const numbers = new Map(Object.entries(shape.columns));
  const places = relation.columns.map(({ name }) => numbers.get(name) ?? Number.POSITIVE_INFINITY);
  const isInOrder = places.every((place, at) => place >= (places[at - 1] ?? 0));
  return isInOrder ? null : 'its columns had other names on the target for a while';
}

function keyMismatch(key: readonly string[], relation: Relation): string | null {
  if (relation.replicaIdentity === 'n') return 'the table has no replica identity any more';
  const now = relation.columns.filter((column) => column.isKey).map((column) => column.name);
  // With full identity every column is part of it, the key among them.
  const same =
    relation.replicaIdentity === 'f' ? key.every((name) => now.includes(name)) : sameNames(key, now);
  return same ? null : 'the table has another replica identity on the target';
}
