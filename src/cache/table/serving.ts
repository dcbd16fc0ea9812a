import type { TableShape } from '../../core/rows/table-shape.ts';
import { type Queryable, rowOf } from '../queryable.ts';
import { type Generation, type StoredServing, type StoredTable, updateStoredTable } from './stored.ts';

/** The generation that readers use; null while there is none. */
export function readGeneration(stored: StoredTable): Generation | null {
  return stored.state.kind === 'ready' ? stored : stored.serving;
}

/**
 * Makes a ready copy the one that serves while another with more columns is made: from here on the table's row is about
 * the new one, of which there is nothing yet.
 */
export async function saveReplacement(
  client: Queryable,
  { target, table, relation, columns, key, shape }: Generation,
  next: Pick<StoredTable, 'relation' | 'columns' | 'generation'> & { readonly reason: string },
): Promise<void> {
  const serving: StoredServing = { relation, columns, key, shape };
  await updateStoredTable(
    client,
    { target, table },
    {
      serving: JSON.stringify(serving),
      relation: next.relation,
      columns: JSON.stringify(next.columns),
      generation: next.generation,
      state: 'pending',
      reason: next.reason,
      rows_copied: 0,
    },
  );
}

/**
 * Notes what a table is on the target now, where that does not concern its copies. Says whether it did: a copy that has begun
 * since the table was looked at was not judged, and what it is of must not be overwritten.
 */
export async function saveShape(
  client: Queryable,
  { target, table, relation }: Pick<StoredTable, 'target' | 'table' | 'relation'>,
  shape: TableShape,
): Promise<boolean> {
  const { noted } = await rowOf<{ noted: boolean }>(
    client,
    `with noted as (
       update nearjoin.cache_table set shape = $5::jsonb, serving = jsonb_set(serving, '{shape}', $5::jsonb)
       where target = $1 and schema_name = $2 and table_name = $3 and relation = $4 returning 1)
     select exists (select from noted) as noted`,
    [target, table.schema, table.name, relation, JSON.stringify(shape)],
  );
  return noted;
}
