import type { Queryable } from '../queryable.ts';
import type { StoredColumn } from './stored.ts';

/** The modifiers of the columns' types as a table with them would have; -1 is none. */
export async function modifiersOfTypes(
  client: Queryable,
  columns: readonly StoredColumn[],
): Promise<readonly number[]> {
  // Of no row: a domain may refuse null.
  const nulls = columns.map(({ type }) => `null::${type}`).join(', ');
  const { fields } = await client.query(`select ${nulls} where false`);
  return fields.map(({ dataTypeModifier }) => dataTypeModifier);
}
