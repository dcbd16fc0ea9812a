import type { TableSize } from '../../../connectors/connector.ts';
import { missingIndexes } from '../../cache/table/ddl.ts';
import type { Generation, StoredTable } from '../../cache/table/stored.ts';
import { sameNames, type TableRef, tableKey } from '../../core/names.ts';
import type { IndexColumn } from '../../core/rows/index-column.ts';
import type { PartsOf } from '../../core/rows/key-part.ts';
import type { TableShape } from '../../core/rows/table-shape.ts';
import { changedParts, sameShape, shapeMismatch } from './shape-check.ts';
import type { CheckedTable } from './wanted.ts';

/** A table that can be copied. */
export type Cacheable = CheckedTable & { readonly kind: 'cacheable' };

/** One that is to be copied now. */
export type Sized = Cacheable & TableSize;

/** One thing to do so that what is there becomes what is wanted. */
export type FeedAction =
  /** The copy goes and is forgotten. */
  | { readonly kind: 'forget'; readonly stored: StoredTable }
  /** The newest copy goes, and the older one too unless it serves on; another is made. */
  | {
      readonly kind: 'discard';
      readonly stored: StoredTable;
      readonly reason: string | null;
      readonly servesOn: boolean;
    }
  /** The copy serves while another is made. */
  | {
      readonly kind: 'replace';
      readonly stored: StoredTable;
      readonly wanted: Cacheable;
      readonly reason: string;
    }
  /** Only some parts of the copy may be wrong: they are read again, and nobody reads it meanwhile. */
  | {
      readonly kind: 'renew';
      readonly stored: StoredTable;
      readonly shape: TableShape;
      readonly parts: PartsOf;
      readonly reason: string;
    }
  /** The older copy is no longer right. */
  | { readonly kind: 'unserve'; readonly stored: StoredTable }
  /** The older copy is right, and not needed any more. */
  | { readonly kind: 'retire'; readonly stored: StoredTable }
  /** The table cannot be cached for now; a copy of it goes, the older one unless it serves on. */
  | {
      readonly kind: 'refuse';
      readonly table: TableRef;
      readonly stored: StoredTable | null;
      readonly reason: string;
      readonly servesOn: boolean;
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

/** All that is known besides what is wanted and what is there; most of it by table key. */
export interface ReconcileFacts {
  /** Tables whose copy is under way in this process, or was interrupted lately and is not to go on yet. */
  readonly underWay: ReadonlySet<string>;
  /** Generations the stream can no longer be applied to, by their relations, and why. */
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
  wanted: readonly CheckedTable[],
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
  wanted: CheckedTable,
  stored: StoredTable | null,
  facts: ReconcileFacts,
): readonly FeedAction[] {
  const { table } = wanted;
  if (wanted.kind === 'refused')
    return [{ kind: 'refuse', table, stored, reason: wanted.reason, servesOn: false }];
  const resting = facts.resting.get(tableKey(table));
  if (resting !== undefined) {
    const servesOn = stored !== null && doesServe(wanted, stored, facts);
    return [{ kind: 'refuse', table, stored, reason: resting, servesOn }];
  }
  return stored === null ? [{ kind: 'copy', wanted }] : actionsOn(wanted, stored, facts);
}

/** What to do about a table that can be cached, and of which something is there. */
function actionsOn(wanted: Cacheable, stored: StoredTable, facts: ReconcileFacts): readonly FeedAction[] {
  const servesOn = doesServe(wanted, stored, facts);
  const older: readonly FeedAction[] =
    stored.serving === null || servesOn ? [] : [{ kind: 'unserve', stored }];
  const reason = whatIsWrong(wanted, stored, facts.broken.get(stored.relation));
  if (reason === null) return [...older, ...goingOn(wanted, stored, { facts, servesOn })];
  const parts = renewable(wanted, stored, facts);
  if (parts !== null) return [{ kind: 'renew', stored, shape: wanted.shape, parts, reason }];
  if (!isReplaceable(wanted, stored, facts)) {
    return [
      { kind: 'discard', stored, reason, servesOn },
      { kind: 'copy', wanted },
    ];
  }
  // Two generations at most: the oldest goes first.
  if (stored.serving !== null) return servesOn ? [{ kind: 'retire', stored }] : older;
  return [
    { kind: 'replace', stored, wanted, reason },
    { kind: 'copy', wanted },
  ];
}

/** What to do about a table whose newest copy is right as far as it is. */
function goingOn(
  wanted: Cacheable,
  stored: StoredTable,
  { facts, servesOn }: { readonly facts: ReconcileFacts; readonly servesOn: boolean },
): readonly FeedAction[] {
  // Of an older generation that is not right any more nothing may be noted.
  const noted = stored.serving === null || servesOn ? notedShape(wanted, stored) : [];
  const retired: readonly FeedAction[] = servesOn ? [{ kind: 'retire', stored }] : [];
  if (facts.underWay.has(tableKey(wanted.table))) return noted;
  if (stored.state.kind === 'ready') return [...noted, ...retired, ...indexes(wanted, stored)];
  if (stored.state.kind === 'catching-up' && canMerge(stored)) return [...noted, { kind: 'merge', stored }];
  if (canResume(stored)) return [...noted, { kind: 'resume', stored, wanted }];
  return [
    { kind: 'discard', stored, reason: null, servesOn },
    { kind: 'copy', wanted },
  ];
}

/** The parts to read again, where nothing else is wrong with the only copy. */
function renewable(wanted: Cacheable, stored: StoredTable, { broken }: ReconcileFacts): PartsOf | null {
  const isWhole = stored.state.kind === 'ready' || isRenewed(stored);
  if (!isWhole || stored.serving !== null || !stored.exists) return null;
  if (whatElseIsWrong(wanted, stored, broken.get(stored.relation)) !== null) return null;
  return changedParts(stored.shape, wanted.shape, stored);
}

/** Whether all of it is there but for the parts that are read again. */
function isRenewed({ state, parts }: StoredTable): boolean {
  return parts !== null && (state.kind === 'copying' || state.kind === 'catching-up');
}

function whatIsWrong(wanted: Cacheable, stored: StoredTable, broken: string | undefined): string | null {
  const other = whatElseIsWrong(wanted, stored, broken);
  // Nothing was copied yet.
  if (other !== null || stored.state.kind === 'pending' || stored.state.kind === 'failed') return other;
  return shapeMismatchOf(wanted, stored);
}

/** All but the shape. */
function whatElseIsWrong(wanted: Cacheable, stored: StoredTable, broken: string | undefined): string | null {
  if (broken !== undefined) return broken;
  if (stored.resync) return 'a fresh copy was asked for';
  // It was refused from the beginning: nothing is there that could differ.
  if (stored.columns.length === 0) return null;
  if (!hasColumnsOf(wanted, stored)) return whatChanged(wanted, stored);
  if (wanted.columns.length > stored.columns.length) return 'it has more columns on the target';
  if (!sameNames(wanted.key, stored.key)) return 'its key changed on the target';
  if (stored.state.kind === 'ready' && !stored.exists) return 'the cache table was dropped or altered';
  return null;
}

/** Whether all that is wrong with a ready copy is that it lacks columns: then it may serve until another has them. */
function isReplaceable(wanted: Cacheable, stored: StoredTable, facts: ReconcileFacts): boolean {
  return stored.state.kind === 'ready' && isRightStill(wanted, stored, stored, facts);
}

/** Whether an older generation is there and may go on serving. */
function doesServe(wanted: Cacheable, stored: StoredTable, facts: ReconcileFacts): boolean {
  return stored.serving !== null && isRightStill(wanted, stored.serving, stored, facts);
}

/** Whether a generation that was ready still holds the target's rows, in the columns that it has. */
function isRightStill(
  wanted: Cacheable,
  generation: Generation,
  { resync }: Pick<StoredTable, 'resync'>,
  { broken }: ReconcileFacts,
): boolean {
  const isSound = generation.exists && !resync && !broken.has(generation.relation);
  if (!isSound || !hasColumnsOf(wanted, generation) || !sameNames(wanted.key, generation.key)) return false;
  return shapeMismatchOf(wanted, generation) === null;
}

function shapeMismatchOf(wanted: Cacheable, { shape, columns }: Generation): string | null {
  return shapeMismatch(
    shape,
    wanted.shape,
    columns.map(({ name }) => name),
  );
}

function notedShape(wanted: Cacheable, stored: StoredTable): readonly FeedAction[] {
  const { serving } = stored;
  const isNoted =
    sameShape(stored.shape, wanted.shape) && (serving === null || sameShape(serving.shape, wanted.shape));
  return isNoted ? [] : [{ kind: 'note-shape', stored, shape: wanted.shape }];
}

function canMerge(stored: StoredTable): boolean {
  return stored.exists && stored.overlay !== null && stored.copiedAt !== null;
}

/** A table that is copied in one go is not there before that is finished. */
function canResume(stored: StoredTable): boolean {
  const isBegun = stored.overlay !== null || stored.parts !== null;
  return stored.state.kind === 'copying' && stored.exists && isBegun;
}

/** Whether the target's table has every column of the copy, and each is what it was. */
function hasColumnsOf(wanted: Cacheable, { columns }: Generation): boolean {
  const now = new Map(wanted.columns.map((column) => [column.name, column]));
  return columns.every(({ name, type, oid }) => now.get(name)?.type === type && now.get(name)?.oid === oid);
}

/** The source may have an extension's type by now, where it had to do with text. */
function whatChanged(wanted: Cacheable, { columns }: Generation): string {
  const now = new Map(wanted.columns.map((column) => [column.name, column]));
  const areSame = columns.every(({ name, oid }) => now.get(name)?.oid === oid);
  return areSame
    ? 'columns of it are of other types now, here or on the target'
    : 'its columns changed on the target';
}

function indexes(wanted: Cacheable, stored: StoredTable): readonly FeedAction[] {
  return missingIndexes(stored, wanted.indexes, stored.indexes).map((columns) => ({
    kind: 'index',
    stored,
    columns,
  }));
}
