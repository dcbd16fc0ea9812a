import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import type { ChangeStream, Connector } from '../../connectors/connector.ts';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import type { DatabaseOptions } from '../../connectors/postgres/database.ts';
import { printTable, type TableRef } from '../../src/core/names.ts';
import { type Lsn, parseLsn } from '../../src/core/position/lsn.ts';
import type { Change, Commit, FeedItem } from '../../src/core/rows/change.ts';
import { type Cell, type Row, UNCHANGED } from '../../src/core/rows/row.ts';
import { cellsOf } from './cells-of.ts';
import { createDatabase, insertPosition, type TestDatabase, type Which } from './postgres.ts';

/** A connector on a database of its own, published and with a slot. */
export interface TestFeed extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly connector: Connector;
  /** Where the slot starts. */
  readonly start: Lsn;
  /** Another connector of the same slot, for example through a proxy. */
  again(options: Partial<Pick<DatabaseOptions, 'url' | 'timings' | 'log'>>): Connector;
}

/** A table in schema public. */
export function table(name: string): TableRef {
  return { schema: 'public', name };
}

/** Gives a database of its own, and a connector that knows nothing of it yet. */
export async function withConnector(
  which: Which,
  statements: readonly string[],
  use: (connector: Connector, database: TestDatabase) => Promise<void>,
): Promise<void> {
  const database = await createDatabase(which, statements);
  const connector = postgresConnector({ url: database.url, name: freshName(), log: silentLog });
  try {
    await use(connector, database);
  } finally {
    await connector.close();
    await database.drop();
  }
}

export const silentLog = { info: () => undefined, warn: () => undefined };

/** A name for a slot nobody else uses. */
export function freshName(): string {
  return `nj_${randomBytes(6).toString('hex')}`;
}

/** Makes a database with the statements run, publishes the tables and creates the slot. */
export async function startFeed(
  which: Which,
  statements: readonly string[],
  tables: readonly TableRef[],
): Promise<TestFeed> {
  const database = await createDatabase(which, statements);
  const name = freshName();
  const opened: Connector[] = [];
  const again: TestFeed['again'] = (options) => {
    const connector = postgresConnector({ url: database.url, name, log: silentLog, ...options });
    opened.push(connector);
    return connector;
  };
  const connector = again({});
  await connector.publish(tables);
  const start = await connector.createSlot(new AbortController().signal);
  const dispose = async (): Promise<void> => {
    await Promise.all(opened.map((each) => each.close()));
    await database.drop();
  };
  return { database, connector, start, again, [Symbol.asyncDispose]: dispose };
}

/** Everything the stream brings until it has passed what is committed now; the stream is left open. */
export async function itemsUntilNow(feed: TestFeed, stream: ChangeStream): Promise<FeedItem[]> {
  const until = parseLsn(await insertPosition(feed.database));
  await feed.connector.forceFlush();
  stream.requestProgress();
  const items: FeedItem[] = [];
  for (;;) {
    const next = await stream.items[Symbol.asyncIterator]().next();
    if (next.done === true) throw new Error('the stream ended');
    items.push(...next.value);
    const last = items.at(-1);
    if (last?.kind === 'progress' && last.position >= until) return items;
    if (last?.kind === 'progress' || last?.kind === 'commit') stream.requestProgress();
  }
}

/** Opens a stream, reads all that is committed now, and closes it without acknowledging. */
export async function changesUntilNow(
  feed: TestFeed,
  after: Lsn = feed.start,
  last: Commit | null = null,
): Promise<string[]> {
  const stop = new AbortController();
  const stream = await feed.connector.open(after, last, stop.signal);
  const items = await itemsUntilNow(feed, stream);
  stop.abort();
  return printChanges(items);
}

/** Whole transactions as text. Before Postgres 15 those that concern nobody come too, without changes: they are left out. */
export function printChanges(items: readonly FeedItem[]): string[] {
  const told = items.filter((item) => item.kind !== 'progress');
  const isEmpty = (at: number): boolean => told[at]?.kind === 'begin' && told[at + 1]?.kind === 'commit';
  return told.filter((_, at) => !isEmpty(at) && !isEmpty(at - 1)).map(printItem);
}

/** One line of text for an item, so that whole streams compare at a glance. */
function printItem(item: FeedItem): string {
  switch (item.kind) {
    case 'begin':
    case 'commit':
    case 'progress':
    case 'early-commit':
    case 'early-abort':
      return item.kind;
    case 'early-part':
      return `early-part ${item.changes.map(printChange).join(', ')}`;
    default:
      return printChange(item);
  }
}

function printChange(change: Change): string {
  if (change.kind === 'truncate')
    return `truncate ${change.relations.map((each) => printTable(each.table)).join(', ')}`;
  const name = printTable(change.relation.table);
  switch (change.kind) {
    case 'insert':
      return `insert ${name} ${printRow(change.after)}`;
    case 'delete':
      return `delete ${name} ${printRow(change.before)}`;
    case 'update': {
      const before = change.before === null ? '' : `${printRow(change.before)} -> `;
      return `update ${name} ${before}${printRow(change.after)}`;
    }
  }
}

function printRow(row: Row): string {
  return `(${cellsOf(row).map(printCell).join(', ')})`;
}

function printCell(cell: Cell): string {
  if (cell === UNCHANGED) return 'UNCHANGED';
  if (cell === null) return 'null';
  return cell.length > 100 ? `'${cell.slice(0, 10)}…${cell.length}'` : `'${cell}'`;
}

/** Writes so much into a server's log that a slot held to a megabyte is given up. */
export async function fillLog(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  for (let segment = 0; segment < 4; segment += 1) {
    await client.query(
      `select pg_logical_emit_message(false, 'test', repeat('x', 1000000)), pg_switch_wal()`,
    );
  }
  await client.query('checkpoint');
  await client.end();
}
