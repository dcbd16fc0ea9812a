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

/** Writes to a cache table that readers see. */
export function cacheWriter(shape: CacheShape): RowWriter {
  const table = inCache(shape.relation);
  const names = shape.columns.map(({ name }) => quoteIdentifier(name));
  const all = names.map((_, index) => index);
  const keys = keyPositions(shape);
  const named = (positions: readonly number[]): string => positions.map((at) => names[at]).join(', ');
  const sameKey = equalities(
    keys.map((at) => `t.${names[at]}`),
    picked(shape, keys),
  );
  const upsert = `insert into ${table} (${named(all)})
    select ${picked(shape, all).join(', ')}
    from ${rowsFrom(shape, all)}
    on conflict (${named(keys)}) do update set ${all.map((at) => `${names[at]} = excluded.${names[at]}`).join(', ')}`;
  const remove = `delete from ${table} t using ${rowsFrom(shape, keys)} where ${sameKey}`;
  return {
    upsert: (rows) => write(upsert, columnArrays(rows, all)),
    remove: (rows) => write(remove, columnArrays(rows, keys)),
    partial: (rows, missing) => {
      const present = without(all, missing);
      const values = picked(shape, present);
      const sets = present.map((at, index) => `${names[at]} = ${values[index]}`).join(', ');
      const text = `update ${table} t set ${sets} from ${rowsFrom(shape, present)} where ${sameKey}`;
      return write(text, columnArrays(rows, present), rows.length);
    },
    rekey: (before, after) => [rekey(shape, before, after)],
    clear: () => write(`delete from ${table}`, []),
  };
}

function rekey(shape: CacheShape, before: CellRow, after: CellRow): WriteStatement {
  const keys = keyPositions(shape);
  const present = without(
    shape.columns.map((_, index) => index),
    missingPositions(after),
  );
  const name = (at: number): string => quoteIdentifier(shape.columns[at]?.name ?? '');
  const sets = present.map((at, index) => `${name(at)} = ${valueAs(shape, at, index + 1)}`).join(', ');
  const where = equalities(
    keys.map(name),
    keys.map((at, index) => valueAs(shape, at, present.length + index + 1)),
  );
  const values = [...present.map((at) => sent(after[at])), ...keys.map((at) => sent(before[at]))];
  return write(`update ${inCache(shape.relation)} set ${sets} where ${where}`, values, 1);
}

/** One statement, with the number of rows it must touch where that is known. */
export function write(
  text: string,
  values: readonly (string | null)[],
  expected: number | null = null,
): WriteStatement {
  return { text, values, expected };
}

/** `a = b and c = d …` */
export function equalities(left: readonly string[], right: readonly (string | undefined)[]): string {
  return left.map((side, index) => `${side} = ${right[index]}`).join(' and ');
}

/** The positions that are not among the others. */
export function without(positions: readonly number[], others: readonly number[]): readonly number[] {
  return positions.filter((at) => !others.includes(at));
}
