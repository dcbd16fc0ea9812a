import { quoteIdentifier } from '../../core/postgres/quote-identifier.ts';
import { type Cell, type Row, rowOf } from '../../core/rows/row.ts';
import { inCache } from '../names.ts';
import type { CacheShape } from '../table/ddl.ts';
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
import { equalities, without, write } from './write-rows.ts';

/** The overlay of one generation: what it stands in for, and where it is. */
export interface Overlay {
  readonly shape: CacheShape;
  readonly relation: string;
  /**
   * The copy is read and indexed, and the watermark has passed its snapshots: a row of which the overlay knows nothing is
   * in the copy as it is on the target.
   */
  readonly isSettled: boolean;
}

/** Writes to the overlay of a table that is being copied: the net change of each key. */
export function overlayWriter(overlay: Overlay): RowWriter {
  const { shape } = overlay;
  const table = inCache(overlay.relation);
  const all = shape.columns.map((_, index) => index);
  const keys = keyPositions(shape);
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
      ...rekey(overlay, before, after),
      ...overlayWriter(overlay).partial([after], missingPositions(after), 'arrays'),
    ],
    clear: () => write(`delete from ${table}`, []),
  };
}

/**
 * The row as it is under the old key, room under the new one, the move, and the mark that the old key is gone. What was
 * not sent is taken from the copy when that is settled. Before, which row the copy holds under either key depends on when
 * it was read, so it will have to be asked for.
 */
function rekey(overlay: Overlay, before: Row, after: Row): readonly WriteStatement[] {
  const { shape } = overlay;
  const table = inCache(overlay.relation);
  const all = shape.columns.map((_, index) => index);
  const keys = keyPositions(shape);
  const others = without(all, keys);
  const old = keys.map((at) => sent(before.cell(at)));
  const fresh = keys.map((at) => sent(after.cell(at)));
  const one = keys.map((at, index) => valueAs(shape, at, index + 1));
  const two = keys.map((at, index) => valueAs(shape, at, keys.length + index + 1));
  const names = keys.map((at) => `c${at + 1}`);
  const moves = names.map((name, index) => `${name} = ${one[index]}`).join(', ');
  const moved = `update ${table} set ${moves}, astray = true, asked = false where ${equalities(names, two)}`;
  const unknown = `insert into ${table} (${columns(keys)}, missing) values (${one.join(', ')}, ${numbers(others)})
    on conflict (${columns(keys)}) do nothing`;
  const known = overlay.isSettled ? fromCopy(overlay, one) : [unknown];
  return [
    ...known.map((text) => write(text, old)),
    write(`delete from ${table} where ${equalities(names, one)}`, fresh),
    write(moved, [...fresh, ...old], 1),
    write(`insert into ${table} (${columns(keys)}, deleted) values (${one.join(', ')}, true)`, old),
  ];
}

/** Copies into the overlay what the copy has of the row with a key. */
function fromCopy({ shape, relation }: Overlay, key: readonly string[]): readonly string[] {
  const main = inCache(shape.relation);
  const keys = keyPositions(shape);
  const all = shape.columns.map((_, index) => index);
  const name = (at: number): string => `m.${quoteIdentifier(shape.columns[at]?.name ?? '')}`;
  const isRow = equalities(keys.map(name), key);
  const same = equalities(
    keys.map(name),
    keys.map((at) => `o.c${at + 1}`),
  );
  const fill = without(all, keys).map(
    (at) => `c${at + 1} = case when ${at + 1} = any (o.missing) then ${name(at)} else o.c${at + 1} end`,
  );
  return [
    `insert into ${inCache(relation)} (${columns(all)}) select ${all.map(name).join(', ')} from ${main} m where ${isRow}
     on conflict (${columns(keys)}) do nothing`,
    `update ${inCache(relation)} o set ${[...fill, `missing = '{}'`].join(', ')} from ${main} m
     where ${isRow} and ${same} and not o.astray and o.missing <> '{}'`,
  ];
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
export function mergeSql({ shape, relation }: Overlay, pages: OverlayPages | null): string {
  const main = inCache(shape.relation);
  const keys = keyPositions(shape);
  const all = shape.columns.map((_, index) => index);
  const others = without(all, keys);
  const name = (at: number): string => quoteIdentifier(shape.columns[at]?.name ?? '');
  const same = equalities(
    keys.map((at) => `m.${name(at)}`),
    keys.map((at) => `o.c${at + 1}`),
  );
  const within =
    pages === null ? '' : `o.ctid >= '(${pages.from},0)'::tid and o.ctid < '(${pages.to},0)'::tid and`;
  const kept = others.map(
    (at) => `${name(at)} = case when ${at + 1} = any (o.missing) then m.${name(at)} else o.c${at + 1} end`,
  );
  const filled = `, filled as (
      update ${main} m set ${kept.join(', ')} from taken o where o.missing <> '{}' and ${same})`;
  return `with taken as (
      delete from ${inCache(relation)} o where ${within} (o.missing = '{}'
        or (not o.astray and exists (select from ${main} m where ${same})))
      returning *),
    gone as (delete from ${main} m using taken o where o.deleted and ${same})${kept.length === 0 ? '' : filled}
    insert into ${main} (${all.map(name).join(', ')}) select ${columns(all)} from taken o
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
export function answer(
  { shape, relation }: Overlay,
  rows: readonly (readonly Cell[])[],
): readonly WriteStatement[] {
  const all = shape.columns.map((_, index) => index);
  const keys = keyPositions(shape);
  const here = keys.map((at) => `o.c${at + 1}`);
  const answers = new CarriedWrite(relation, shape, all, ({ from, columns: values }) => {
    const same = equalities(
      here,
      keys.map((at) => values[at]),
    );
    const sets = without(all, keys).map(
      (at) => `c${at + 1} = case when ${at + 1} = any (o.missing) then ${values[at]} else o.c${at + 1} end`,
    );
    return `update ${inCache(relation)} o set ${[...sets, `missing = '{}'`].join(', ')}
      from ${from} where o.asked and o.missing <> '{}' and ${same}`;
  });
  return answers.statements(rows.map(rowOf), 'arrays');
}

/**
 * Takes out of a copy, made piece by piece, all but one of the rows that have the same key: versions of one row that
 * moved while the pieces were read. Each of them changed meanwhile, so the overlay has its key.
 */
export function dedupeSql({ shape, relation }: Overlay): string {
  const main = inCache(shape.relation);
  const keys = keyPositions(shape).map((at) => `m.${quoteIdentifier(shape.columns[at]?.name ?? '')}`);
  const same = equalities(
    keys,
    keyPositions(shape).map((at) => `o.c${at + 1}`),
  );
  const dedupe = `delete from ${main} m using (
      select m.ctid as at, row_number() over (partition by ${keys.join(', ')}) as version
      from ${main} m join ${inCache(relation)} o on ${same}
    ) each where each.version > 1 and m.ctid = each.at`;
  // Where a database publishes all its tables, rows of one without a key cannot be deleted otherwise.
  const identity = (by: string): string => `alter table ${main} replica identity ${by}`;
  return [identity('full'), dedupe, identity('default')].join('; ');
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
