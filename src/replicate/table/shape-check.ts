import { isDeepStrictEqual } from 'node:util';
import type { Generation } from '../../cache/table/stored.ts';
import { KEY_TYPES, type KeyColumn, type KeyPart, type PartsOf } from '../../core/rows/key-part.ts';
import type { TableShape } from '../../core/rows/table-shape.ts';

/**
 * Why a copy made when the table had the one shape does not stand for the table of the other; null when it does.
 * `columns` are those the copy holds: what becomes of others does not matter.
 */
export function shapeMismatch(
  then: TableShape | null,
  now: TableShape,
  columns: readonly string[],
): string | null {
  if (then === null) return 'it is not known what it was when it was copied';
  if (then.publication !== now.publication) return 'the target had stopped publishing it';
  if (then.relation !== now.relation) return 'another table has its name on the target';
  const moved = columns.find((name) => then.columns[name] !== now.columns[name]);
  if (moved !== undefined) return `column "${moved}" was renamed or made again on the target`;
  if (!holds(now.labels, then.labels)) return 'labels of an enum were renamed on the target';
  if (!holds(now.composites, then.composites)) return 'a composite type was changed on the target';
  const mismatch = now.isPartitioned ? partitionMismatch(then, now) : rewriteMismatch(then, now, columns);
  return mismatch ?? momentaryMismatch(then, now);
}

/** Which partitions are others, attached at another time, or of other files. */
function changedPartitions(then: TableShape, now: TableShape): readonly string[] {
  const all = new Set([...partitionsOf(then), ...partitionsOf(now)]);
  return [...all].filter(
    (oid) => then.files[oid] !== now.files[oid] || attachedAt(then, oid) !== attachedAt(now, oid),
  );
}

function partitionsOf({ files, versions = {} }: TableShape): readonly string[] {
  const attached = Object.keys(versions).filter((name) => name.startsWith(PARTITION));
  return [...Object.keys(files), ...attached.map((name) => name.slice(PARTITION.length))];
}

function attachedAt({ versions = {} }: TableShape, oid: string): string | undefined {
  return versions[PARTITION + oid];
}

const PARTITION = 'partition ';
/** Among parts by the numbers of their partitions. */
const UNCLAIMED = 'unclaimed';

/**
 * The parts of a copy that may not be right any more, where a few partitions are all that changed; null when more did, or
 * when nobody knows which keys lay in one of them.
 */
export function changedParts(
  then: TableShape | null,
  now: TableShape,
  { columns, key }: Pick<Generation, 'columns' | 'key'>,
): PartsOf | null {
  if (then === null || !then.isPartitioned || !now.isPartitioned) return null;
  const names = columns.map(({ name }) => name);
  if (names.some((name) => then.written[name] !== now.written[name])) return null;
  const changed = changedPartitions(then, now);
  if (shapeMismatch(then, withPartitionsOf(then, now), names) !== null) return null;
  // New ones must be read in any case.
  const lost = changed.filter((oid) => oid in then.files);
  if (changed.length === 0 || lost.length > Object.keys(then.files).length / 2) return null;
  const each = [
    ...changed.map((oid) => [oid, partsIn([then, now], oid, { columns, key })] as const),
    // Where one of them was for a moment in between no other was, so that it is claimed by none that stayed.
    [UNCLAIMED, heldParts(now.unclaimed ?? null, { columns, key })] as const,
  ];
  const known = each.flatMap(([oid, parts]) => (parts === null ? [] : [[oid, parts] as const]));
  return known.length === each.length ? Object.fromEntries(known) : null;
}

/** The keys that rows of a partition could have in each of the shapes it is in; null where that is not known. */
function partsIn(
  shapes: readonly TableShape[],
  oid: string,
  held: Pick<Generation, 'columns' | 'key'>,
): readonly KeyPart[] | null {
  const parts = shapes.filter((shape) => isIn(shape, oid)).map(({ keys }) => keys?.[oid] ?? null);
  const known = parts.filter((part) => part !== null);
  return known.length === parts.length ? heldParts(known, held) : null;
}

function heldParts(
  parts: readonly KeyPart[] | null,
  held: Pick<Generation, 'columns' | 'key'>,
): readonly KeyPart[] | null {
  return parts?.every((part) => isHeld(part, held)) === true ? parts : null;
}

function isIn({ files, versions = {} }: TableShape, oid: string): boolean {
  return oid in files || PARTITION + oid in versions;
}

/** Whether the copy has what a part is told apart by, as it is on the target. */
function isHeld(part: KeyPart, { columns, key }: Pick<Generation, 'columns' | 'key'>): boolean {
  const held = new Map(columns.map((column) => [column.name, column]));
  const isSame = ({ name, type, domain, isEnum }: KeyColumn): boolean => {
    const column = held.get(name);
    if (column?.oid !== (domain ?? type) || !key.includes(name)) return false;
    return isEnum ? column.type === 'text' : KEY_TYPES.has(type) && (column.type !== 'text' || type === TEXT);
  };
  return part.every((test) => test.columns.every(isSame));
}

const TEXT = 25;

function withPartitionsOf(then: TableShape, now: TableShape): TableShape {
  const own = (versions: TableShape['versions'], isPartition: boolean): TableShape['versions'] =>
    Object.fromEntries(
      Object.entries(versions ?? {}).filter(([name]) => name.startsWith(PARTITION) === isPartition),
    );
  return {
    ...now,
    files: then.files,
    versions: { ...own(now.versions, false), ...own(then.versions, true) },
  };
}

/** What was otherwise for a moment, and looks as it was. */
function momentaryMismatch(
  { versions: then = {} }: TableShape,
  { versions: now = {} }: TableShape,
): string | null {
  return holds(now, then)
    ? null
    : 'a partition was detached, or a label of an enum renamed, for a moment on the target';
}

/** A partition that was truncated or rewritten by itself is not told of either. */
function partitionMismatch(then: TableShape, now: TableShape): string | null {
  if (!sameKeys(then.files, now.files)) return 'partitions were attached or detached on the target';
  return holds(now.files, then.files) ? null : 'a partition was truncated or rewritten on the target';
}

/**
 * A new file alone means a truncate, which is told of, the same rows packed anew, or a column added to each, where the table
 * could not be unlogged in between; a new definition of a column alone leaves its rows alone. A rewrite that changes a
 * column's values is both at once.
 */
function rewriteMismatch(then: TableShape, now: TableShape, columns: readonly string[]): string | null {
  if (holds(now.files, then.files)) return null;
  const isRewritten = columns.some((name) => then.written[name] !== now.written[name]);
  if (isRewritten) return 'it was rewritten on the target';
  return isNamed(now.publication) ? null : 'it has another file on the target, and may have been unlogged';
}

/** Whether the publication has an entry for the table, which keeps it from being unlogged; one for all tables has none. */
function isNamed(publication: string | null): boolean {
  return publication?.split(' ').length === ENTRY_LENGTH;
}

/** Publication, the transaction that wrote it, entry. */
const ENTRY_LENGTH = 3;

function holds<T>(now: Readonly<Record<string, T>>, then: Readonly<Record<string, T>>): boolean {
  return Object.entries(then).every(([key, value]) => now[key] === value);
}

function sameKeys(a: object, b: object): boolean {
  const [left, right] = [Object.keys(a), Object.keys(b)];
  return left.length === right.length && left.every((key) => key in b);
}

/** Whether nothing at all differs, so that there is nothing to note. */
export function sameShape(a: TableShape | null, b: TableShape): boolean {
  return isDeepStrictEqual(a, b);
}
