import type { CacheTable, FeedStatus } from '../cache/status/cache-table.ts';
import type { Column } from '../catalog/catalog.ts';
import { sameTable } from '../core/names.ts';
import { type DatabaseIdentity, isOtherDatabase } from '../core/postgres/database-identity.ts';
import type { RemoteUse } from '../plan/plan.ts';
import type { RouteDetail } from './freshness.ts';

/** Whether a cache holds the tables and columns that a plan reads; how old they are does not matter here. */
export type HeldFit =
  | { readonly kind: 'usable'; readonly tables: readonly CacheTable[] }
  | { readonly kind: 'unusable'; readonly detail: RouteDetail };

/** As `HeldFit`; `undecided` means that the source cannot evaluate a condition of the plan, since only the target has its type. */
export type CacheFit = HeldFit | { readonly kind: 'undecided'; readonly tables: readonly CacheTable[] };

/** Compares what a plan reads of a target with what the source holds of it. `target` is the database that the metadata names. */
export function cacheFit(
  use: RemoteUse,
  feed: FeedStatus | undefined,
  target: DatabaseIdentity | null,
): HeldFit {
  // No cache will ever hold it: only the target has the function.
  if (use.computes) return { kind: 'unusable', detail: 'computed' };
  if (feed === undefined) return { kind: 'unusable', detail: 'not-cached' };
  if (isOtherDatabase(feed.identity, target)) return { kind: 'unusable', detail: 'other-database' };
  const tables: CacheTable[] = [];
  for (const wanted of use.tables) {
    const held = feed.tables.find((candidate) => sameTable(candidate.table, wanted.table));
    if (held === undefined) return { kind: 'unusable', detail: 'not-cached' };
    const generation = readGeneration(held);
    const detail = fault(held, generation, wanted.columns);
    if (generation === null || detail !== null) return { kind: 'unusable', detail: detail ?? 'copying' };
    tables.push(generation);
  }
  if (feed.position === null) return { kind: 'unusable', detail: 'slot-lost' };
  return { kind: 'usable', tables };
}

/** The generation to read: the older one while a copy with more columns is made. */
function readGeneration(held: CacheTable): CacheTable | null {
  if (held.state.kind === 'ready') return held;
  return held.serving === null ? null : { ...held, ...held.serving };
}

function fault(
  { state }: CacheTable,
  generation: CacheTable | null,
  columns: readonly Column[],
): RouteDetail | null {
  const isHeld = generation !== null && columns.every(({ name }) => hasColumn(generation, name));
  if (isHeld) return null;
  if (state.kind === 'failed') return 'failed';
  return state.kind === 'ready' ? 'column-not-cached' : 'copying';
}

function hasColumn({ columns }: CacheTable, name: string): boolean {
  return columns.some((column) => column.name === name);
}
