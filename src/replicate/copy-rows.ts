import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { Snapshot } from '../../connectors/connector.ts';
import { type CacheShape, createTableSql, type IndexWishes, identifiers, indexSql } from '../cache/ddl.ts';
import { FENCE_SQL, type FeedLease } from '../cache/feed-row.ts';
import { inCache } from '../cache/names.ts';
import type { TableRef } from '../core/names.ts';
import type { StepHook } from './steps.ts';

/** One table's copy. */
export interface RowCopy {
  readonly table: TableRef;
  readonly shape: CacheShape;
  readonly indexes: IndexWishes;
  /** Told of every piece that went through. */
  readonly onRows: (rows: number) => void;
}

/** What a copy runs on. */
export interface CopyContext {
  /** A session of its own. */
  readonly client: pg.Client;
  readonly lease: FeedLease;
  readonly snapshot: Snapshot;
  readonly onStep?: StepHook | undefined;
  readonly signal: AbortSignal;
}

const NEWLINE = 10;

/** Fills a new cache table from the snapshot and builds its indexes, in one transaction; returns the number of rows. */
export async function copyRows(copy: RowCopy, context: CopyContext): Promise<number> {
  const { client, lease, onStep } = context;
  await client.query('begin');
  await client.query(FENCE_SQL, [lease.target, lease.epoch]);
  await client.query(createTableSql(copy.shape));
  const rows = await stream(copy, context);
  await onStep?.('copy:rows-copied');
  for (const statement of indexSql(copy.shape, copy.indexes)) await client.query(statement);
  const { command } = await client.query('commit');
  if (command !== 'COMMIT') throw new Error('the source rolled the copy back');
  await onStep?.('copy:indexes-built');
  await client.query(`analyze ${inCache(copy.shape.relation)}`);
  return rows;
}

/** Rows pass as they are: the text of one server is the input of the other. */
async function stream(
  { table, shape, onRows }: RowCopy,
  { client, snapshot, signal }: CopyContext,
): Promise<number> {
  const names = shape.columns.map(({ name }) => name);
  const counter = new RowCounter(onRows);
  const rows = await snapshot.copy(table, names);
  // Nobody reads the table before it is ready, so its rows may be frozen from the start: no second write for them later.
  const into = client.query(
    copyFrom(`copy ${inCache(shape.relation)} (${identifiers(names)}) from stdin (freeze)`),
  );
  await pipeline(rows, counter, into, { signal });
  return counter.rows;
}

/** Counts rows in COPY's text format, where a raw newline ends a row and nothing else holds one. */
class RowCounter extends Transform {
  rows = 0;
  readonly #onRows: (rows: number) => void;

  constructor(onRows: (rows: number) => void) {
    super();
    this.#onRows = onRows;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let rows = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) rows += 1;
    this.rows += rows;
    this.#onRows(rows);
    done(null, chunk);
  }
}
