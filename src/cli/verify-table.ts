import type { Verification } from './replication.ts';
import { aligned, count, progressBar } from './status-table.ts';

const HEADINGS = ['TABLE', 'STATE', 'ROWS', 'MISSING', 'CHANGED', 'EXTRA', 'REPAIRED', 'UNSETTLED'] as const;
const KINDS = [
  ['missing', 'insert'],
  ['changed', 'update'],
  ['extra', 'delete'],
] as const;

/** Finished comparisons as an aligned table, with the keys of rows that differ below each table. */
export function printVerifications(verifications: readonly Verification[]): string {
  const rows = verifications.flatMap(rowsOf);
  const line = aligned([HEADINGS, ...rows.map(({ cells }) => cells)]);
  const blocks = verifications.flatMap(({ target, source, reason }) =>
    reason === null ? [] : [`${target} -> ${source} could not be compared: ${reason}`],
  );
  return [line(HEADINGS), ...rows.flatMap(({ cells, notes }) => [line(cells), ...notes]), ...blocks].join(
    '\n',
  );
}

/** The progress of a comparison on one line. */
export function printProgress({ target, source, state, tables }: Verification, feedState: string): string {
  const waits = feedState === 'streaming' ? 'waiting for its turn' : 'waiting for the feed to stream';
  if (state === 'asked') return `${target} -> ${source}  ${waits}`;
  const now = tables.find((table) => table.state === 'comparing');
  if (now === undefined) return `${target} -> ${source}  comparing`;
  return `${target} -> ${source}  ${now.schema}.${now.name}  ${progressBar(now.rows_compared, now.rows_estimated)}`;
}

/** Whether rows still differ, or something could not be compared. */
export function isWrong({ state, tables }: Verification): boolean {
  return state !== 'done' || tables.some((table) => table.state === 'failed' || remaining(table) > 0);
}

function rowsOf({
  target,
  source,
  tables,
}: Verification): readonly { readonly cells: readonly string[]; readonly notes: readonly string[] }[] {
  return tables.map((table) => ({
    cells: [
      `${target}.${table.schema}.${table.name} -> ${source}`,
      stateOf(table),
      count(table.rows_compared),
      ...[table.insert, table.update, table.delete, table.repaired, table.unsettled].map(count),
    ],
    notes: [
      ...(table.reason === null ? [] : [`  why: ${table.reason}`]),
      ...KINDS.flatMap(([word, kind]) => {
        const keys = table.keys[kind].map((key) => JSON.stringify(key));
        const more = table[kind] > keys.length ? ` and ${count(table[kind] - keys.length)} more` : '';
        return keys.length === 0 ? [] : [`  ${word}: ${keys.join(' ')}${more}`];
      }),
    ],
  }));
}

function stateOf(table: Verification['tables'][number]): string {
  if (table.state !== 'compared') return table.state;
  if (remaining(table) > 0) return 'differs';
  return table.repaired > 0 ? 'repaired' : 'equal';
}

function remaining(table: Verification['tables'][number]): number {
  return table.insert + table.update + table.delete - table.repaired;
}
