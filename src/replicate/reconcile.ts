import { missingIndexes } from '../cache/ddl.ts';
import type { StoredTable } from '../cache/stored-table.ts';
import type { IndexColumn } from '../core/index-column.ts';
import { type TableRef, tableKey } from '../core/names.ts';
import type { TableShape } from '../core/table-shape.ts';
import { sameShape, shapeMismatch } from './shape-check.ts';
import type { Wanted } from './wanted.ts';

/** A table that can be copied. */
export type Cacheable = Wanted & { readonly kind: 'cacheable' };

/** One thing to do so that what is there becomes what is wanted. */
export type FeedAction =
  /** The copy goes and is forgotten. */
  | { readonly kind: 'forget'; readonly stored: StoredTable }
  /** The copy goes; another is made. */
  | { readonly kind: 'discard'; readonly stored: StoredTable; readonly reason: string | null }
  /** The table cannot be cached for now; a copy of it goes. */
  | {
      readonly kind: 'refuse';
      readonly table: TableRef;
      readonly stored: StoredTable | null;
      readonly reason: string;
    }
  /** Make a copy. */
  | { readonly kind: 'copy'; readonly wanted: Cacheable }
  /** The copy of a large table, begun by an earlier try, goes on. */
  | { readonly kind: 'resume'; readonly stored: StoredTable; readonly wanted: Cacheable }
  /** A finished copy waits for the changes made meanwhile. */
  | { readonly kind: 'merge'; readonly stored: StoredTable }
  /** The table is another in ways that do not concern its copy. */
  | { readonly kind: 'note-shape'; readonly stored: StoredTable; readonly shape: TableShape }
  /** A ready table lacks an index. */
  | { readonly kind: 'index'; readonly stored: StoredTable; readonly columns: readonly IndexColumn[] };

/** All that is known besides what is wanted and what is there, by table key. */
export interface ReconcileFacts {
  /** Tables whose copy is under way in this process, or was interrupted lately and is not to go on yet. */
  readonly underWay: ReadonlySet<string>;
  /** Tables the stream can no longer be applied to, and why. */
  readonly broken: ReadonlyMap<string, string>;
  /** Tables that failed lately and are not to be tried yet, and why. */
  readonly resting: ReadonlyMap<string, string>;
}

/** What to do, and the tables the target must publish meanwhile. */
export interface FeedPlan {
  readonly actions: readonly FeedAction[];
  readonly publish: readonly TableRef[];
}

/** Compares what is wanted with what is there. */
export function reconcile(
  wanted: readonly Wanted[],
  stored: readonly StoredTable[],
  facts: ReconcileFacts,
): FeedPlan {
  const there = new Map(stored.map((each) => [tableKey(each.table), each]));
  const names = new Set(wanted.map((each) => tableKey(each.table)));
  const actions: FeedAction[] = stored
    .filter((each) => !names.has(tableKey(each.table)))
    .map((each) => ({ kind: 'forget', stored: each }));
  const publish: TableRef[] = [];
  for (const each of wanted) {
    const found = actionsFor(each, there.get(tableKey(each.table)) ?? null, facts);
    actions.push(...found);
    if (!found.some((action) => action.kind === 'refuse')) publish.push(each.table);
  }
  return { actions, publish };
}

function actionsFor(
  wanted: Wanted,
  stored: StoredTable | null,
  facts: ReconcileFacts,
): readonly FeedAction[] {
  const key = tableKey(wanted.table);
  if (wanted.kind === 'refused')
    return [{ kind: 'refuse', table: wanted.table, stored, reason: wanted.reason }];
  const resting = facts.resting.get(key);
  if (resting !== undefined) return [{ kind: 'refuse', table: wanted.table, stored, reason: resting }];
  const copy: FeedAction = { kind: 'copy', wanted };
  if (stored === null) return [copy];
  const wrong = whatIsWrong(wanted, stored, facts.broken.get(key));
  if (wrong !== null) return [{ kind: 'discard', stored, reason: wrong }, copy];
  const noted = notedShape(wanted, stored);
  if (facts.underWay.has(key)) return noted;
  if (stored.state.kind === 'ready') return [...noted, ...indexes(wanted, stored)];
  if (stored.state.kind === 'catching-up' && canMerge(stored)) return [...noted, { kind: 'merge', stored }];
  if (canResume(stored)) return [...noted, { kind: 'resume', stored, wanted }];
  return [{ kind: 'discard', stored, reason: null }, copy];
}

function whatIsWrong(wanted: Cacheable, stored: StoredTable, broken: string | undefined): string | null {
  if (broken !== undefined) return broken;
  if (stored.resync) return 'a fresh copy was asked for';
  if (!sameColumns(wanted, stored)) return 'its columns changed on the target';
  if (!sameSet(wanted.key, stored.key)) return 'its key changed on the target';
  if (stored.state.kind === 'ready' && !stored.exists) return 'the cache table was dropped or altered';
  // Nothing was copied yet.
  if (stored.state.kind === 'pending' || stored.state.kind === 'failed') return null;
  return shapeMismatch(
    stored.shape,
    wanted.shape,
    stored.columns.map(({ name }) => name),
  );
}

function notedShape(wanted: Cacheable, stored: StoredTable): readonly FeedAction[] {
  return sameShape(stored.shape, wanted.shape) ? [] : [{ kind: 'note-shape', stored, shape: wanted.shape }];
}

function canMerge(stored: StoredTable): boolean {
  return stored.exists && stored.overlay !== null && stored.copiedAt !== null;
}

/** A table that is copied in one go is not there before that is finished. */
function canResume(stored: StoredTable): boolean {
  return stored.state.kind === 'copying' && stored.exists && stored.overlay !== null;
}

function sameColumns(wanted: Cacheable, stored: StoredTable): boolean {
  const now = new Map(wanted.columns.map((column) => [column.name, column]));
  const same = stored.columns.every(
    ({ name, type, oid }) => now.get(name)?.type === type && now.get(name)?.oid === oid,
  );
  return same && now.size === stored.columns.length;
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}

function indexes(wanted: Cacheable, stored: StoredTable): readonly FeedAction[] {
  return missingIndexes(stored, wanted.indexes, stored.indexes).map((columns) => ({
    kind: 'index',
    stored,
    columns,
  }));
}
