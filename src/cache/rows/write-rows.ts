import { quoteIdentifier } from '../../core/postgres/quote-identifier.ts';
import type { Row } from '../../core/rows/row.ts';
import { inCache } from '../names.ts';
import type { CacheShape } from '../table/ddl.ts';
import {
  CarriedWrite,
  keyPositions,
  missingPositions,
  type RowWriter,
  sent,
  valueAs,
  type WriteStatement,
} from './row-source.ts';

/** Writes to a cache table that readers see. */
export function cacheWriter(shape: CacheShape): RowWriter {
  const table = inCache(shape.relation);
  const names = shape.columns.map(({ name }) => quoteIdentifier(name));
  const all = names.map((_, index) => index);
  const keys = keyPositions(shape);
  const named = (positions: readonly number[]): string => positions.map((at) => names[at]).join(', ');
  const sameKey = (columns: readonly string[], positions: readonly number[]): string =>
    equalKeys(
      shape,
      keys.map((at) => `t.${names[at]}`),
      keys.map((at) => columns[positions.indexOf(at)]),
    );
  const upsert = new CarriedWrite(shape.relation, shape, all, ({ carrier, from, columns }) =>
    carrier !== 'stage'
      ? `insert into ${table} (${named(all)}) select ${columns.join(', ')} from ${from}
         on conflict (${named(keys)}) do update set ${all.map((at) => `${names[at]} = excluded.${names[at]}`).join(', ')}`
      : // Writes a row once, where "on conflict" locks it first.
        `merge into ${table} t using ${from} on ${sameKey(columns, all)}
         when matched then update set ${all.map((at) => `${names[at]} = ${columns[at]}`).join(', ')}
         when not matched then insert (${named(all)}) values (${columns.join(', ')})`,
  );
  const remove = new CarriedWrite(
    shape.relation,
    shape,
    keys,
    ({ from, columns }) => `delete from ${table} t using ${from} where ${sameKey(columns, keys)}`,
  );
  const partial = (missing: readonly number[]): CarriedWrite => {
    const present = without(all, missing);
    return new CarriedWrite(shape.relation, shape, present, ({ from, columns }) => {
      const sets = present.map((at, index) => `${names[at]} = ${columns[index]}`).join(', ');
      return `update ${table} t set ${sets} from ${from} where ${sameKey(columns, present)}`;
    });
  };
  return {
    upsert: (rows, carrier) => upsert.statements(rows, carrier),
    append: (rows) => ({
      text: `copy ${table} (${named(all)}) from stdin`,
      values: [],
      copy: { rows, positions: all, stage: null },
    }),
    remove: (rows, carrier) => remove.statements(rows, carrier),
    partial: (rows, missing, carrier) => partial(missing).statements(rows, carrier, rows.length),
    rekey: (before, after) => [rekey(shape, before, after)],
    clear: () => write(`delete from ${table}`, []),
  };
}

function rekey(shape: CacheShape, before: Row, after: Row): WriteStatement {
  const keys = keyPositions(shape);
  const present = without(
    shape.columns.map((_, index) => index),
    missingPositions(after),
  );
  const name = (at: number): string => quoteIdentifier(shape.columns[at]?.name ?? '');
  const sets = present.map((at, index) => `${name(at)} = ${valueAs(shape, at, index + 1)}`).join(', ');
  const where = equalKeys(
    shape,
    keys.map(name),
    keys.map((at, index) => valueAs(shape, at, present.length + index + 1)),
  );
  const values = [...present.map((at) => sent(after.cell(at))), ...keys.map((at) => sent(before.cell(at)))];
  return write(`update ${inCache(shape.relation)} set ${sets} where ${where}`, values, 1);
}

/** One statement, with the number of rows it must touch where that is known. */
export function write(text: string, values: readonly (string | null)[], expected?: number): WriteStatement {
  return { text, values, expected };
}

/**
 * `a = b and c = d …` over the shape's key. Postgres' own operator is named with its schema: `varchar = varchar` fits none of
 * them exactly, so an operator that somebody put into a schema of the search path would be taken instead.
 */
export function equalKeys(
  shape: Pick<CacheShape, 'columns' | 'key'>,
  left: readonly string[],
  right: readonly (string | undefined)[],
): string {
  const equals = keyPositions(shape).map((at) =>
    shape.columns[at]?.type.includes('.') ? '=' : 'operator(pg_catalog.=)',
  );
  return left.map((side, index) => `${side} ${equals[index]} ${right[index]}`).join(' and ');
}

/** The positions that are not among the others. */
export function without(positions: readonly number[], others: readonly number[]): readonly number[] {
  return positions.filter((at) => !others.includes(at));
}
