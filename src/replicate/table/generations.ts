import { relationName } from '../../cache/names.ts';
import { type Queryable, rowsOf } from '../../cache/queryable.ts';
import { saveReplacement } from '../../cache/table/serving.ts';
import {
  loadStoredTables,
  type StoredColumn,
  type StoredTable,
  saveStoredTable,
  updateStoredTable,
} from '../../cache/table/stored.ts';
import { must } from '../../core/assert.ts';
import { type SourceName, type TableRef, tableKey } from '../../core/names.ts';
import type { Sized } from './reconcile.ts';

/** Lets a ready copy serve while another with more columns is made. */
export async function replace(
  client: Queryable,
  stored: StoredTable,
  { columns, reason }: { readonly columns: readonly StoredColumn[]; readonly reason: string },
): Promise<void> {
  const generation = await nextGeneration(client);
  const relation = relationName(stored.target, stored.table, generation);
  await saveReplacement(client, stored, { relation, columns, generation, reason });
}

/** Notes a table that cannot be cached and never was. */
export async function saveRefused(
  client: Queryable,
  target: SourceName,
  table: TableRef,
  reason: string,
): Promise<void> {
  const generation = await nextGeneration(client);
  const relation = relationName(target, table, generation);
  const empty = {
    target,
    table,
    relation,
    columns: [],
    key: [],
    overlay: null,
    rowsEstimated: null,
    shape: null,
    generation,
  };
  await saveStoredTable(client, empty, { kind: 'failed', reason });
}

/** Each table under a new generation, which no copy ever had. */
export async function underNewGenerations(
  client: Queryable,
  target: SourceName,
  tables: readonly Sized[],
): Promise<readonly Parameters<typeof saveStoredTable>[1][]> {
  const generations = await nextGenerations(client, tables.length);
  return tables.map(({ table, columns, key, rowsEstimated, shape }, at) => {
    const generation = must(generations[at], 'a generation');
    const relation = relationName(target, table, generation);
    const rows = Math.round(rowsEstimated);
    return { target, table, relation, columns, key, rowsEstimated: rows, shape, generation, overlay: null };
  });
}

/** Notes tables whose copy waits for its turn, with what it will be of. */
export async function savePending(
  client: Queryable,
  target: SourceName,
  tables: readonly Sized[],
): Promise<void> {
  const stored = new Set((await loadStoredTables(client, target)).map(({ table }) => tableKey(table)));
  const noted = await underNewGenerations(client, target, tables);
  await Promise.all(
    noted.map((each) => {
      if (!stored.has(tableKey(each.table))) return saveStoredTable(client, each, { kind: 'pending' });
      return updateStoredTable(client, each, {
        columns: JSON.stringify(each.columns),
        key_columns: JSON.stringify(each.key),
        shape: JSON.stringify(each.shape),
      });
    }),
  );
}

/** A number no copy ever had. */
export async function nextGeneration(client: Queryable): Promise<number> {
  return must((await nextGenerations(client, 1))[0], 'a generation');
}

/** So many of them. */
async function nextGenerations(client: Queryable, count: number): Promise<readonly number[]> {
  const rows = await rowsOf<{ generation: number }>(
    client,
    `select nextval('nearjoin.generation')::int as generation from generate_series(1, $1::int)`,
    [count],
  );
  return rows.map(({ generation }) => generation);
}
