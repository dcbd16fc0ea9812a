import { isDeepStrictEqual } from 'node:util';
import type { TableShape } from '../core/table-shape.ts';

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

/** What was otherwise for a moment, and looks as it was. */
function momentaryMismatch(
  { versions: then = {} }: TableShape,
  { versions: now = {} }: TableShape,
): string | null {
  return holds(now, then)
    ? null
    : 'a partition was detached, or a label of an enum renamed, for a moment on the target';
}

/** Rows that come or go with a partition are not told of, nor is one that was truncated or rewritten by itself. */
function partitionMismatch(then: TableShape, now: TableShape): string | null {
  if (Object.keys(then.files).some((part) => !(part in now.files)))
    return 'partitions were detached or dropped on the target';
  const added = Object.keys(now.files).filter((part) => !(part in then.files));
  if (added.some((part) => now.bare?.includes(part) !== true))
    return 'partitions were attached on the target, perhaps with rows';
  return holds(now.files, then.files) ? null : 'a partition was truncated or rewritten on the target';
}

/**
 * A new file alone means a truncate, which is told of, the same rows packed anew, or a column added to each; a new
 * definition of a column alone leaves its rows alone. A rewrite that changes a column's values is both at once.
 */
function rewriteMismatch(then: TableShape, now: TableShape, columns: readonly string[]): string | null {
  if (holds(now.files, then.files)) return null;
  const isRewritten = columns.some((name) => then.written[name] !== now.written[name]);
  return isRewritten ? 'it was rewritten on the target' : null;
}

function holds<T>(now: Readonly<Record<string, T>>, then: Readonly<Record<string, T>>): boolean {
  return Object.entries(then).every(([key, value]) => now[key] === value);
}

/** Whether nothing at all differs, so that there is nothing to note. */
export function sameShape(a: TableShape | null, b: TableShape): boolean {
  return isDeepStrictEqual(a, b);
}
