import type { CacheShape } from '../cache/ddl.ts';
import { overlayWriter } from '../cache/overlay.ts';
import { keyPositions, type RowWriter } from '../cache/row-source.ts';
import type { StoredTable } from '../cache/stored-table.ts';
import { cacheWriter } from '../cache/write-rows.ts';
import type { Relation } from '../core/change.ts';
import { type TableRef, tableKey } from '../core/names.ts';
import { picked, type Row } from '../core/row.ts';

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

/** The sink of a table whose copy is under way, settled when only changes made meanwhile are still to be merged. */
export function overlaySink(stored: StoredTable & { readonly overlay: string }, isSettled: boolean): Sink {
  const shape = shapeOf(stored);
  const writer = overlayWriter({ shape, relation: stored.overlay, isSettled });
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
  /** The cached columns of one of the relation's rows, in the cache's order. */
  readonly view: (row: Row) => Row;
}

/** The tables of a feed that changes are kept for; others are ignored. Changed only between transactions. */
export class Sinks {
  readonly #sinks = new Map<string, Sink>();
  #bound = new WeakMap<Relation, Bound | 'ignored'>();
  readonly #check: (stored: StoredTable, relation: Relation) => string | null;

  constructor(check: (stored: StoredTable, relation: Relation) => string | null) {
    this.#check = check;
  }

  set(sink: Sink): void {
    this.remove(sink.table);
    this.#sinks.set(tableKey(sink.table), sink);
  }

  remove(table: TableRef): void {
    this.#bound = new WeakMap();
    this.#sinks.delete(tableKey(table));
  }

  get(table: TableRef): Sink | undefined {
    return this.#sinks.get(tableKey(table));
  }

  /** The sink of a relation, and how its rows are seen there; null when nothing is kept of it. */
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
    const bound = { sink, view: viewOf(placesIn(relation, sink), relation.columns.length) };
    this.#bound.set(relation, bound);
    return bound;
  }
}

function placesIn(relation: Relation, sink: Sink): readonly number[] {
  const places = new Map(relation.columns.map((column, index) => [column.name, index]));
  return sink.shape.columns.map(({ name }) => places.get(name) ?? -1);
}

/** Mostly the cache holds every column in the same order: then a row is seen as it is. */
function viewOf(places: readonly number[], width: number): (row: Row) => Row {
  const isSame = places.length === width && places.every((place, index) => place === index);
  return isSame ? (row) => row : (row) => picked(row, places);
}
