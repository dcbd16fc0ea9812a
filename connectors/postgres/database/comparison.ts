import { printTable, type TableRef } from '../../../src/core/names.ts';
import { quoteIdentifier, quoteTable } from '../../../src/core/postgres/quote-identifier.ts';
import { ComparedRows } from '../../../src/core/rows/compared-rows.ts';
import { type Comparison, ConnectorError, type WantedRows } from '../../connector.ts';
import { OwnClient } from '../client.ts';
import { type Doing, toConnectorError } from '../failure.ts';
import type { Target } from '../settings.ts';

/** Opens a connection that reads rows for comparison as they are at each statement. */
export async function openComparison(target: Target, signal: AbortSignal): Promise<Comparison> {
  return comparisonOver(await OwnClient.open(target, signal), 'administer', () => Promise.resolve());
}

/** Rows as the connection sees them; `prepare` runs before a table's rows are read for the first time. */
export async function comparisonOver(
  own: OwnClient,
  doing: Doing,
  prepare: (table: TableRef) => Promise<void>,
): Promise<Comparison> {
  const run: Run = async (text, values) => {
    try {
      return (await own.client.query<Record<string, unknown>>(text, [...values])).rows;
    } catch (error) {
      throw toConnectorError(error, doing);
    }
  };
  // Keys come as arrays without statistics: each is to be looked up by its index, whatever the planner guesses.
  const settings = 'set enable_hashjoin = off; set enable_mergejoin = off';
  await own.orCut(doing, (client) => client.query(settings));
  return {
    rows: async (wanted) => {
      await prepare(wanted.table);
      const types = await keyTypes(run, wanted);
      const key = wanted.key.map((name, index) => ({
        name: quoteIdentifier(name),
        type: types[index] ?? 'text',
      }));
      const columns = wanted.columns.map(({ name, isBytes }) => ({ name: quoteIdentifier(name), isBytes }));
      return new ComparedRows({ relation: quoteTable(wanted.table), columns, key }, run);
    },
    close: () => own.destroy(),
  };
}

type Run = (text: string, values: readonly unknown[]) => Promise<Record<string, unknown>[]>;

/** Types as SQL, without length or precision: `character` alone would mean a single character. */
async function keyTypes(run: Run, { table, key }: WantedRows): Promise<readonly string[]> {
  const rows = await run(
    `select k.name, format_type(a.atttypid, -1) as type
     from unnest($2::text[]) with ordinality as k (name, place)
     left join pg_attribute a on a.attrelid = to_regclass($1) and a.attname = k.name and a.attnum > 0
     order by k.place`,
    [quoteTable(table), key],
  );
  return rows.map(({ name, type }) => {
    if (typeof type === 'string') return type;
    throw new ConnectorError('retry', `${printTable(table)} has no column "${String(name)}" any more`);
  });
}
