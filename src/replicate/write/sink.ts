import { overlayWriter } from '../../cache/rows/overlay.ts';
import { keyPositions, type RowWriter } from '../../cache/rows/row-source.ts';
import { cacheWriter } from '../../cache/rows/write-rows.ts';
import { createOverlaySql } from '../../cache/table/ddl.ts';
import type { Generation } from '../../cache/table/stored.ts';
import { printTable, type TableRef, tableKey } from '../../core/names.ts';
import type { Relation } from '../../core/rows/change.ts';
import { picked, type Row } from '../../core/rows/row.ts';
import { TableBroken, UnknownPartition } from '../interruptions.ts';
import { relationMismatch } from './relation-check.ts';

/** Where one table's changes go for one generation: to the cache table itself, or to the overlay while it is copied. */
export interface Sink {
  readonly stored: Generation;
  readonly keys: readonly number[];
  readonly writer: RowWriter;
  /** Goes ahead of what is written in one batch; an overlay is made by the first change that it must keep. */
  readonly ahead: string | null;
  readonly place: 'cache' | 'overlay';
}

/** The sink of a generation that is read. */
export function cacheSink(stored: Generation): Sink {
  return { stored, keys: keyPositions(stored), writer: cacheWriter(stored), ahead: null, place: 'cache' };
}

/** The sink of a table whose copy is under way, or complete but for the changes in the overlay. */
export function overlaySink(
  stored: Generation & { readonly overlay: string },
  isCopyComplete: boolean,
): Sink {
  const { overlay } = stored;
  const writer = overlayWriter({ shape: stored, relation: overlay, isCopyComplete });
  return {
    stored,
    keys: keyPositions(stored),
    writer,
    ahead: createOverlaySql(overlay, stored),
    place: 'overlay',
  };
}

/** One of the places where a relation's changes go. */
export interface Bound {
  readonly sink: Sink;
  /** Of the cached columns in the relation's rows; -1 where it has none of that name. */
  readonly places: readonly number[];
  /** The cached columns of one of the relation's rows, in the cache's order. */
  readonly view: (row: Row) => Row;
}

const NOWHERE: readonly Bound[] = [];

/**
 * The tables of a feed that changes are kept for; others are ignored. A table has two sinks while an older generation
 * serves and a newer one is made. Changed only between transactions.
 */
export class Sinks {
  readonly #sinks = new Map<string, readonly Sink[]>();
  #bound = new WeakMap<Relation, readonly Bound[]>();
  readonly #sought: ReadonlySet<number>;

  /** `sought` are partitions that the tables were looked through for, because rows had come from them. */
  constructor(sought: ReadonlySet<number>) {
    this.#sought = sought;
  }

  /** In the place of the one of the same generation. */
  set(sink: Sink): void {
    const { table } = sink.stored;
    this.remove(sink.stored);
    this.#sinks.set(tableKey(table), [...this.#of(table), sink]);
  }

  remove({ table, relation }: Pick<Generation, 'table' | 'relation'>): void {
    this.#bound = new WeakMap();
    const others = this.#of(table).filter(({ stored }) => stored.relation !== relation);
    this.#sinks.set(tableKey(table), others);
  }

  /** The sinks of a relation, and how its rows are seen in each; none when nothing is kept of it. */
  bind(relation: Relation): readonly Bound[] {
    const known = this.#bound.get(relation);
    if (known !== undefined) return known;
    this.#refuseOtherName(relation);
    const sinks = this.#of(relation.table);
    const bound = sinks.length === 0 ? NOWHERE : sinks.map((sink) => this.#bind(sink, relation));
    this.#bound.set(relation, bound);
    return bound;
  }

  /** What is written to a table while it has another name is told of under that one, and so would be lost. */
  #refuseOtherName({ oid, table }: Relation): void {
    const own = tableKey(table);
    for (const [key, sinks] of this.#sinks) {
      const sink = key === own ? undefined : sinks.find(({ stored }) => stored.shape?.relation === oid);
      if (sink !== undefined)
        throw new TableBroken(sink.stored, `it was called ${printTable(table)} on the target for a while`);
    }
  }

  #bind(sink: Sink, relation: Relation): Bound {
    const mismatch = relationMismatch(sink.stored, relation);
    if (mismatch !== null) throw new TableBroken(sink.stored, mismatch);
    this.#refuseUnknown(sink, relation);
    const places = placesIn(relation, sink);
    return { sink, places, view: viewOf(places, relation.columns.length) };
  }

  /** What was attached, written to and detached again before anybody looked has rows in the stream and no trace in the catalogs. */
  #refuseUnknown(sink: Sink, { partition }: Relation): void {
    const { shape, parts } = sink.stored;
    if (partition === undefined || shape === null || partition.oid in shape.files) return;
    // It has gone since, and what it told of is read again.
    if (sink.place === 'cache' && parts !== null && partition.oid in parts) return;
    if (!this.#sought.has(partition.oid)) throw new UnknownPartition(partition);
    throw new TableBroken(
      sink.stored,
      `${printTable(partition.table)} was a partition of it on the target for a while`,
    );
  }

  #of(table: TableRef): readonly Sink[] {
    return this.#sinks.get(tableKey(table)) ?? [];
  }
}

function placesIn(relation: Relation, sink: Sink): readonly number[] {
  const places = new Map(relation.columns.map((column, index) => [column.name, index]));
  return sink.stored.columns.map(({ name }) => places.get(name) ?? -1);
}

/** Mostly the cache holds every column in the same order: then a row is seen as it is. */
function viewOf(places: readonly number[], width: number): (row: Row) => Row {
  const isSame = places.length === width && places.every((place, index) => place === index);
  return isSame ? (row) => row : (row) => picked(row, places);
}
