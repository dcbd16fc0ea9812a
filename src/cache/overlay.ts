import { arrayLiteral } from './array-literal.ts';
import type { CacheShape } from './ddl.ts';
import { inCache, quoteIdentifier } from './names.ts';
import type { CellRow, RowWriter, WriteStatement } from './row-source.ts';
import {
  columnArrays,
  keyPositions,
  missingPositions,
  picked,
  rowsFrom,
  sent,
  valueAs,
} from './row-source.ts';
import { equalities, without, write } from './write-rows.ts';

/** The overlay of one generation: what it stands in for, and where it is. */
export interface Overlay {
  readonly shape: CacheShape;
  readonly relation: string;
}

/** Writes to the overlay of a table that is being copied: the net change of each key. */
export function overlayWriter(overlay: Overlay): RowWriter {
  const { shape } = overlay;
  const table = inCache(overlay.relation);
  const all = shape.columns.map((_, index) => index);
  const keys = keyPositions(shape);
  const conflict = `on conflict (${columns(keys)}) do update set`;
  const upsert = `insert into ${table} (${columns(all)})
    select ${picked(shape, all).join(', ')} from ${rowsFrom(shape, all)}
    ${conflict} ${excluded(all)}, deleted = false, missing = '{}', origin = null`;
  const remove = `insert into ${table} (${columns(keys)}, deleted)
    select ${picked(shape, keys).join(', ')}, true from ${rowsFrom(shape, keys)}
    ${conflict} ${excluded(keys)}, deleted = true, missing = '{}', origin = null`;
  return {
    upsert: (rows) => write(upsert, columnArrays(rows, all)),
    remove: (rows) => write(remove, columnArrays(rows, keys)),
    partial: (rows, missing) => {
      const present = without(all, missing);
      const text = `insert into ${table} as o (${columns(present)}, missing)
        select ${picked(shape, present).join(', ')}, ${numbers(missing)} from ${rowsFrom(shape, present)}
        ${conflict} ${excluded(present)}, deleted = false,
          missing = array(select m from unnest(o.missing) m where m = any (excluded.missing))`;
      return write(text, columnArrays(rows, present));
    },
    rekey: (before, after, newer) => [
      ...rekey(overlay, { before, after, newer }),
      overlayWriter(overlay).partial([after], missingPositions(after)),
    ],
    clear: () => write(`delete from ${table}`, []),
  };
}

interface KeyChange {
  readonly before: CellRow;
  readonly after: CellRow;
  readonly newer: boolean;
}

/** The row as it is under the old key, room under the new one, the move, and the mark that the old key is gone. */
function rekey(overlay: Overlay, { before, after, newer }: KeyChange): readonly WriteStatement[] {
  const { shape } = overlay;
  const table = inCache(overlay.relation);
  const all = shape.columns.map((_, index) => index);
  const keys = keyPositions(shape);
  const old = keys.map((at) => sent(before[at]));
  const fresh = keys.map((at) => sent(after[at]));
  const one = keys.map((at, index) => valueAs(shape, at, index + 1));
  const two = keys.map((at, index) => valueAs(shape, at, keys.length + index + 1));
  const names = keys.map((at) => `c${at + 1}`);
  const origin = `, origin = coalesce(origin, ${textArray(keys.length * 2 + 1)})`;
  const moves = names.map((name, index) => `${name} = ${one[index]}`).join(', ');
  const moved = `update ${table} set ${moves}${newer ? origin : ''}
    where ${equalities(names, two)}`;
  return [
    write(
      `insert into ${table} (${columns(keys)}, missing) values (${one.join(', ')}, ${numbers(without(all, keys))})
       on conflict (${columns(keys)}) do nothing`,
      old,
    ),
    write(`delete from ${table} where ${equalities(names, one)}`, fresh),
    write(moved, [...fresh, ...old, ...(newer ? [arrayLiteral(old)] : [])], 1),
    write(`insert into ${table} (${columns(keys)}, deleted) values (${one.join(', ')}, true)`, old),
  ];
}

/** The statements that bring a finished copy to the state of the watermark. */
export function mergeSql(
  { shape, relation }: Pick<Overlay, 'shape' | 'relation'>,
  truncated: boolean,
): readonly string[] {
  const main = inCache(shape.relation);
  const overlay = inCache(relation);
  const keys = keyPositions(shape);
  const all = shape.columns.map((_, index) => index);
  const name = (at: number): string => quoteIdentifier(shape.columns[at]?.name ?? '');
  const here = keys.map((at) => `o.c${at + 1}`);
  const before = keys.map((at, index) => `o.origin[${index + 1}]::${shape.columns[at]?.type}`);
  const there = keys.map((at) => `m.${name(at)}`);
  const fill = all
    .filter((at) => !keys.includes(at))
    .map(
      (at) => `c${at + 1} = case when ${at + 1} = any (o.missing) then m.${name(at)} else o.c${at + 1} end`,
    );
  const filled = (join: string): string =>
    `update ${overlay} o set missing = '{}'${fill.map((set) => `, ${set}`).join('')} from ${main} m
     where not o.deleted and o.missing <> '{}' and ${join}`;
  return [
    ...(truncated ? [`truncate ${main}`] : []),
    filled(`o.origin is not null and ${equalities(there, before)}`),
    filled(`o.origin is null and ${equalities(there, here)}`),
    `delete from ${main} m using ${overlay} o where o.deleted and ${equalities(there, here)}`,
    `insert into ${main} (${all.map(name).join(', ')}) select ${columns(all)} from ${overlay} o
     where not o.deleted and o.missing = '{}'
     on conflict (${keys.map(name).join(', ')}) do update set ${all.map((at) => `${name(at)} = excluded.${name(at)}`).join(', ')}`,
  ];
}

/** Counts rows whose missing values the copy did not have: must be none after the merge. */
export function unfilledSql(relation: string): string {
  return `select count(*)::int as count from ${inCache(relation)} where not deleted and missing <> '{}'`;
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

function textArray(parameter: number): string {
  return `$${parameter}::text[]`;
}
