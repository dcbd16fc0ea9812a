import { quoteIdentifier } from '../../core/postgres/quote-identifier.ts';
import { type Cell, type Row, rowOf } from '../../core/rows/row.ts';
import { inCache } from '../names.ts';
import type { CacheShape } from '../table/ddl.ts';
import type { Generation } from '../table/stored.ts';
import {
  CarriedWrite,
  keyPositions,
  missingPositions,
  type RowSource,
  type RowWriter,
  sent,
  valueAs,
  type WriteStatement,
} from './row-source.ts';
import { equalKeys, without, write } from './write-rows.ts';

/** The overlay of one generation: what it stands in for, and where it is. */
export interface Overlay {
  readonly shape: CacheShape;
  readonly relation: string;
  /**
   * The copy is read and indexed, and the watermark has passed its snapshots: a row of which the overlay knows nothing is
   * in the copy as it is on the target.
   */
  readonly isCopyComplete: boolean;
}

/** Writes to the overlay of a table that is being copied: the net change of each key. */
export function overlayWriter(overlay: Overlay): RowWriter {
  const { shape } = overlay;
  const terms = termsOf(overlay);
  const { table, all, keys } = terms;
  const conflict = `on conflict (${columns(keys)}) do update set`;
  const carried = (positions: readonly number[], text: (source: RowSource) => string): CarriedWrite =>
    new CarriedWrite(overlay.relation, shape, positions, text);
  const upsert = carried(
    all,
    (
      source,
    ) => `insert into ${table} (${columns(all)}) select ${source.columns.join(', ')} from ${source.from}
      ${conflict} ${excluded(all)}, deleted = false, missing = '{}', astray = false`,
  );
  // Keys may be equal but spelled differently, as 1.0 and 1.00: a row may have had first one and then the other.
  const remove = carried(
    keys,
    (
      source,
    ) => `insert into ${table} (${columns(keys)}, deleted) select distinct ${source.columns.join(', ')}, true from ${source.from}
      ${conflict} ${excluded(keys)}, deleted = true, missing = '{}', astray = false`,
  );
  const partial = (missing: readonly number[]): CarriedWrite => {
    const present = without(all, missing);
    return carried(
      present,
      (source) => `insert into ${table} as o (${columns(present)}, missing)
        select ${source.columns.join(', ')}, ${numbers(missing)} from ${source.from}
        ${conflict} ${excluded(present)}, deleted = false,
          missing = array(select m from unnest(o.missing) m where m = any (excluded.missing))`,
    );
  };
  return {
    upsert: (rows, carrier) => upsert.statements(rows, carrier),
    append: null,
    remove: (rows, carrier) => remove.statements(rows, carrier),
    partial: (rows, missing, carrier) => partial(missing).statements(rows, carrier),
    rekey: (before, after) => [
      ...rekey(overlay, terms, before, after),
      ...partial(missingPositions(after)).statements([after], 'arrays'),
    ],
    clear: () => write(`delete from ${table}`, []),
  };
}

/**
 * The row as it is under the old key, room under the new one, the move, and the mark that the old key is gone. What was
 * not sent is taken from the copy when that is complete. Before, which row the copy holds under either key depends on when
 * it was read, so it will have to be asked for.
 */
function rekey(
  { shape, isCopyComplete }: Overlay,
  terms: Terms,
  before: Row,
  after: Row,
): readonly WriteStatement[] {
  const { table, keys, others } = terms;
  const old = keys.map((at) => sent(before.cell(at)));
  const fresh = keys.map((at) => sent(after.cell(at)));
  const one = keys.map((at, index) => valueAs(shape, at, index + 1));
  const two = keys.map((at, index) => valueAs(shape, at, keys.length + index + 1));
  const names = keys.map((at) => `c${at + 1}`);
  const moves = names.map((name, index) => `${name} = ${one[index]}`).join(', ');
  const moved = `update ${table} set ${moves}, astray = true, asked = false where ${equalKeys(shape, names, two)}`;
  const unknown = `insert into ${table} (${columns(keys)}, missing) values (${one.join(', ')}, ${numbers(others)})
    on conflict (${columns(keys)}) do nothing`;
  const known = isCopyComplete ? fromCopy(shape, terms, one) : [unknown];
  return [
    ...known.map((text) => write(text, old)),
    write(`delete from ${table} where ${equalKeys(shape, names, one)}`, fresh),
    write(moved, [...fresh, ...old], 1),
    write(`insert into ${table} (${columns(keys)}, deleted) values (${one.join(', ')}, true)`, old),
  ];
}

/** Copies into the overlay what the copy has of the row with a key. */
function fromCopy(
  shape: CacheShape,
  { table, copy, all, keys, others, name, same }: Terms,
  key: readonly string[],
): readonly string[] {
  const there = (at: number): string => `m.${name(at)}`;
  const isRow = equalKeys(shape, keys.map(there), key);
  const fill = others.map((at) => `c${at + 1} = ${cellOr(at, there(at))}`);
  return [
    `insert into ${table} (${columns(all)}) select ${all.map(there).join(', ')} from ${copy} m where ${isRow}
     on conflict (${columns(keys)}) do nothing`,
    `update ${table} o set ${[...fill, `missing = '{}'`].join(', ')} from ${copy} m
     where ${isRow} and ${same} and not o.astray and o.missing <> '{}'`,
  ];
}

/** Notes that the target's table was truncated: what the copy has read or may still read is gone, and what follows comes as changes. */
export function markTruncated({ target, table }: Pick<Generation, 'target' | 'table'>): WriteStatement {
  return write(
    `update nearjoin.cache_table set overlay_truncated = true
     where target = $1 and schema_name = $2 and table_name = $3`,
    [target, table.schema, table.name],
  );
}

/** A part of an overlay: rows in its pages from `from` on and before `to`. */
export interface OverlayPages {
  readonly from: number;
  readonly to: number;
}

/**
 * Moves what the overlay holds into the copy, in one statement: the rows of the given pages, or all. Rows whose values
 * neither the stream nor the copy has stay behind. Afterwards copy and overlay together say what they said before.
 */
export function mergeSql(overlay: Overlay, pages: OverlayPages | null): string {
  const { table, copy, all, keys, others, name, same } = termsOf(overlay);
  const within =
    pages === null ? '' : `o.ctid >= '(${pages.from},0)'::tid and o.ctid < '(${pages.to},0)'::tid and`;
  const kept = others.map((at) => `${name(at)} = ${cellOr(at, `m.${name(at)}`)}`);
  const filled = `, filled as (
      update ${copy} m set ${kept.join(', ')} from taken o where o.missing <> '{}' and ${same})`;
  return `with taken as (
      delete from ${table} o where ${within} (o.missing = '{}'
        or (not o.astray and exists (select from ${copy} m where ${same})))
      returning *),
    gone as (delete from ${copy} m using taken o where o.deleted and ${same})${kept.length === 0 ? '' : filled}
    insert into ${copy} (${all.map(name).join(', ')}) select ${columns(all)} from taken o
    where not o.deleted and o.missing = '{}'
    on conflict (${keys.map(name).join(', ')}) do update set ${all.map((at) => `${name(at)} = excluded.${name(at)}`).join(', ')}`;
}

/** Marks rows whose values must be asked for, and gives their keys as text: `[[k1, k2 …], …]`. Parameter: how many. */
export function askSql({ shape, relation }: Overlay): string {
  const keys = keyPositions(shape).map((at) => `o.c${at + 1}`);
  const chosen = `select ctid from ${inCache(relation)} where missing <> '{}' limit $1`;
  return `with marked as (
      update ${inCache(relation)} o set asked = true where o.ctid = any (array(${chosen}))
      returning json_build_array(${keys.map((key) => `${key}::text`).join(', ')}) as key)
    select coalesce(json_agg(key), '[]') as keys from marked`;
}

/**
 * Gives rows that were asked for the values they lack. One that got its key from another since the question is left
 * alone: the answer may be about the row that had the key before.
 */
export function answer(overlay: Overlay, rows: readonly (readonly Cell[])[]): readonly WriteStatement[] {
  const { table, all, keys, others } = termsOf(overlay);
  const here = keys.map((at) => `o.c${at + 1}`);
  const answers = new CarriedWrite(overlay.relation, overlay.shape, all, ({ from, columns: values }) => {
    const same = equalKeys(
      overlay.shape,
      here,
      keys.map((at) => values[at]),
    );
    const sets = others.map((at) => `c${at + 1} = ${cellOr(at, values[at] ?? 'null')}`);
    return `update ${table} o set ${[...sets, `missing = '{}'`].join(', ')}
      from ${from} where o.asked and o.missing <> '{}' and ${same}`;
  });
  return answers.statements(rows.map(rowOf), 'arrays');
}

/**
 * Takes out of a copy, made piece by piece, all but one of the rows that have the same key: versions of one row that
 * moved while the pieces were read. Each of them changed meanwhile, so the overlay has its key.
 */
export function dedupeSql(overlay: Overlay): string {
  const { table, copy, keys, name, same } = termsOf(overlay);
  const key = keys.map((at) => `m.${name(at)}`).join(', ');
  const dedupe = `delete from ${copy} m using (
      select m.ctid as at, row_number() over (partition by ${key}) as version
      from ${copy} m join ${table} o on ${same}
    ) each where each.version > 1 and m.ctid = each.at`;
  // Where a database publishes all its tables, rows of one without a key cannot be deleted otherwise.
  const identity = (by: string): string => `alter table ${copy} replica identity ${by}`;
  return [identity('full'), dedupe, identity('default')].join('; ');
}

/** How statements speak of an overlay, as `o`, and of the copy that it stands in for, as `m`. */
interface Terms {
  readonly table: string;
  readonly copy: string;
  /** Positions of columns. */
  readonly all: readonly number[];
  readonly keys: readonly number[];
  readonly others: readonly number[];
  /** What the copy calls a column; the overlay numbers them. */
  readonly name: (at: number) => string;
  /** Both rows have one key. */
  readonly same: string;
}

function termsOf({ shape, relation }: Overlay): Terms {
  const all = shape.columns.map((_, index) => index);
  const keys = keyPositions(shape);
  const name = (at: number): string => quoteIdentifier(shape.columns[at]?.name ?? '');
  const same = equalKeys(
    shape,
    keys.map((at) => `m.${name(at)}`),
    keys.map((at) => `o.c${at + 1}`),
  );
  const others = without(all, keys);
  return { table: inCache(relation), copy: inCache(shape.relation), all, keys, others, name, same };
}

/** A cell of the overlay, or what stands for one that was not sent. */
function cellOr(at: number, instead: string): string {
  return `case when ${at + 1} = any (o.missing) then ${instead} else o.c${at + 1} end`;
}

function columns(positions: readonly number[]): string {
  return positions.map((at) => `c${at + 1}`).join(', ');
}

function excluded(positions: readonly number[]): string {
  return positions.map((at) => `c${at + 1} = excluded.c${at + 1}`).join(', ');
}

function numbers(positions: readonly number[]): string {
  return `'{${positions.map((at) => at + 1).join(',')}}'::int[]`;
}
