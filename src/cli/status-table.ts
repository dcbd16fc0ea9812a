import type { Feed } from './replication.ts';

const HEADINGS = ['FEED', 'STATE', 'STALENESS', 'LAG', 'WAL HELD', 'CHANGES'] as const;
const BAR_WIDTH = 24;

/** Feeds as an aligned table, each followed by its tables; copies under way have a bar. */
export function printFeeds(feeds: readonly Feed[]): string {
  if (feeds.length === 0) return 'No feeds: no relationship crosses databases yet.';
  const rows = feeds.map((feed) => [
    `${feed.target} -> ${feed.source}`,
    feed.state,
    feed.staleness_ms === null ? 'unknown' : duration(feed.staleness_ms),
    bytes(feed.lag_bytes),
    bytes(feed.retained_wal_bytes),
    String(feed.changes_applied),
  ]);
  const line = aligned([HEADINGS, ...rows]);
  const blocks = feeds.map((feed, index) => [
    line(rows[index] ?? []),
    ...notes(feed),
    ...feed.tables.map(printTable),
  ]);
  return [line(HEADINGS), ...blocks.flat()].join('\n');
}

/** A function that prints one of the rows, its columns as wide as the widest cells of all rows. */
export function aligned(rows: readonly (readonly string[])[]): (cells: readonly string[]) => string {
  const widthOf = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const widths = (rows[0] ?? []).map((_, column) => widthOf(column));
  return (cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
}

/** `[#########---------------]  37 %  75,000 of 200,000` */
export function progressBar(copied: number, estimated: number | null): string {
  if (estimated === null || estimated <= 0) return `${count(copied)} rows`;
  // The estimate may be too low: a copy under way is never shown as done.
  const part = Math.min(copied / estimated, 0.99);
  const filled = Math.floor(part * BAR_WIDTH);
  const bar = '#'.repeat(filled) + '-'.repeat(BAR_WIDTH - filled);
  return `[${bar}] ${String(Math.floor(part * 100)).padStart(3)} %  ${count(copied)} of about ${count(estimated)} rows`;
}

function notes(feed: Feed): readonly string[] {
  return [
    ...(feed.reason === null ? [] : [`  why: ${feed.reason}`]),
    ...(feed.last_error === null ? [] : [`  last error: ${feed.last_error}`]),
  ];
}

function printTable(table: Feed['tables'][number]): string {
  const name = `  ${table.schema}.${table.name}`;
  switch (table.state) {
    case 'copying':
      return `${name}  copying ${progressBar(table.rows_copied, table.rows_estimated)}${because(table)}`;
    case 'ready':
      return `${name}  ready${because(table)}`;
    case 'failed':
      return `${name}  failed: ${table.reason ?? 'unknown'}`;
    default:
      return `${name}  ${table.state}${because(table)}`;
  }
}

function because({ reason }: Feed['tables'][number]): string {
  return reason === undefined ? '' : ` (${reason})`;
}

function duration(ms: number): string {
  if (ms < 10_000) return `${ms} ms`;
  if (ms < 600_000) return `${Math.round(ms / 1000)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

function bytes(value: number | null): string {
  if (value === null) return 'unknown';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit] ?? 'B'}`;
}

/** A number for people to read. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}
