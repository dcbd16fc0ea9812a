import type pg from 'pg';
import { must } from '../../core/assert.ts';
import { type TableRef, tableKey } from '../../core/names.ts';
import { quoteIdentifier, quoteTable } from '../../core/postgres/quote-identifier.ts';
import type { EnumValue, FoundTable, Introspection } from '../introspection.ts';
import { tried } from './tried.ts';

/** An enum with more values than this is a table of data, not of names. */
const MOST_ENUM_VALUES = 10_000;

/** Reads the rows of enum tables; of one that cannot be read, why. */
export async function readEnums(
  client: pg.Client,
  tables: ReadonlyMap<string, FoundTable>,
  wanted: readonly TableRef[],
): Promise<Introspection['enumValues']> {
  const values = new Map<string, readonly EnumValue[] | { readonly error: string }>();
  for (const ref of wanted) {
    const table = tables.get(tableKey(ref));
    const key = table?.keys.find((candidate) => candidate.primary);
    if (table === undefined || key?.columns.length !== 1) continue;
    values.set(tableKey(ref), await readEnum(client, table, must(key.columns[0], 'key column')));
  }
  return values;
}

async function readEnum(
  client: pg.Client,
  table: FoundTable,
  key: string,
): Promise<readonly EnumValue[] | { readonly error: string }> {
  const comment = table.columns.find((column) => column.name !== key);
  const description = comment === undefined ? 'null' : `${quoteIdentifier(comment.name)}::text`;
  const from = quoteTable(table.ref);
  const keySql = quoteIdentifier(key);
  return tried(client, async () => {
    const { rows } = await client.query<EnumValue>(
      `select ${keySql}::text as value, ${description} as description from ${from}
        order by ${keySql}::text collate "C" limit ${MOST_ENUM_VALUES}`,
    );
    return rows;
  });
}
