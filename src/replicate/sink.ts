import type { CacheShape } from '../cache/ddl.ts';
import { overlayWriter } from '../cache/overlay.ts';
import { keyPositions, type RowWriter } from '../cache/row-source.ts';
import type { StoredTable } from '../cache/stored-table.ts';
import { cacheWriter } from '../cache/write-rows.ts';
import type { Relation } from '../core/change.ts';
import { type Lsn, maxLsn } from '../core/lsn.ts';
import { type TableRef, tableKey } from '../core/names.ts';

/** Where one table's changes go: to the cache table itself, or to the overlay while it is copied. */
export interface Sink {
  readonly table: TableRef;
  readonly stored: StoredTable;
  readonly shape: CacheShape;
  readonly keys: readonly number[];
  readonly writer: RowWriter;
  readonly place: 'cache' | 'overlay';
}

/** The sink of a table that is ready. */
export function cacheSink(stored: StoredTable): Sink {
  const shape = shapeOf(stored);
  return {
    table: stored.table,
    stored,
    shape,
    keys: keyPositions(shape),
    writer: cacheWriter(shape),
    place: 'cache',
  };
}

/** The sink of a table whose copy is under way. */
export function overlaySink(stored: StoredTable & { readonly overlay: string }): Sink {
  const shape = shapeOf(stored);
  const writer = overlayWriter({ shape, relation: stored.overlay });
  return { table: stored.table, stored, shape, keys: keyPositions(shape), writer, place: 'overlay' };
}

function shapeOf({ relation, columns, key }: StoredTable): CacheShape {
  return { relation, columns, key };
}

/** Something about one table that its sink cannot follow: the table must be copied again, the others go on. */
export class TableBroken extends Error {
  readonly table: TableRef;

  constructor(table: TableRef, reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.name = 'TableBroken';
    this.table = table;
  }
}

interface Bound {
  readonly sink: Sink;
  /** For each cached column its place in the relation. */
  readonly places: readonly number[];
}

/** The tables of a feed that changes are kept for; others are ignored. Changed only between transactions. */
export class Sinks {
  readonly #sinks = new Map<string, Sink>();
  #bound = new WeakMap<Relation, Bound | 'ignored'>();
  /** Snapshots' positions of tables being copied; absent before the snapshot is taken. */
  readonly #copiedAt = new Map<string, Lsn>();
  /** Changes of which only a snapshot at or past this position makes sense. */
  readonly #needsSnapshotAt = new Map<string, Lsn>();
  readonly #check: (stored: StoredTable, relation: Relation) => string | null;

  constructor(check: (stored: StoredTable, relation: Relation) => string | null) {
    this.#check = check;
  }

  set(sink: Sink, copiedAt: Lsn | null = null): void {
    const key = tableKey(sink.table);
    this.remove(sink.table);
    this.#sinks.set(key, sink);
    if (copiedAt !== null) this.#copiedAt.set(key, copiedAt);
  }

  remove(table: TableRef): void {
    const key = tableKey(table);
    this.#bound = new WeakMap();
    this.#sinks.delete(key);
    this.#copiedAt.delete(key);
    this.#needsSnapshotAt.delete(key);
  }

  get(table: TableRef): Sink | undefined {
    return this.#sinks.get(tableKey(table));
  }

  /** Fixes where the copy of a table stands; false when the snapshot is too old for what came meanwhile. */
  setCopiedAt(table: TableRef, at: Lsn): boolean {
    const key = tableKey(table);
    if (at < (this.#needsSnapshotAt.get(key) ?? at)) return false;
    this.#copiedAt.set(key, at);
    return true;
  }

  /** The sink of a relation with its columns' places; null when nothing is kept of it. */
  bind(relation: Relation): Bound | null {
    const known = this.#bound.get(relation);
    if (known !== undefined) return known === 'ignored' ? null : known;
    const sink = this.get(relation.table);
    if (sink === undefined) {
      this.#bound.set(relation, 'ignored');
      return null;
    }
    const mismatch = this.#check(sink.stored, relation);
    if (mismatch !== null) throw new TableBroken(sink.table, mismatch);
    const bound = { sink, places: placesIn(relation, sink) };
    this.#bound.set(relation, bound);
    return bound;
  }

  /**
   * Whether a change that depends on the copy (a truncate, a key change with values not sent) is newer than the copy.
   * `end` is null inside a transaction whose end is not here yet: a table being copied cannot know then.
   */
  isNewer(sink: Sink, end: Lsn | null): boolean {
    if (sink.place === 'cache') return true;
    if (end === null) throw new TableBroken(sink.table, 'it was changed too much while it was copied');
    const key = tableKey(sink.table);
    const at = this.#copiedAt.get(key);
    if (at !== undefined) return end > at;
    this.#needsSnapshotAt.set(key, maxLsn(end, this.#needsSnapshotAt.get(key) ?? end));
    return false;
  }
}

function placesIn(relation: Relation, sink: Sink): readonly number[] {
  const places = new Map(relation.columns.map((column, index) => [column.name, index]));
  return sink.shape.columns.map(({ name }) => places.get(name) ?? -1);
}
