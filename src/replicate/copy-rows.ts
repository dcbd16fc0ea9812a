import { type Readable, Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { CopyWork } from './copy-work.ts';

const NEWLINE = 10;

/**
 * Writes rows in COPY's text format with the statement, no faster than the pace; returns their number. They pass as they
 * are: the text of one server is the input of the other.
 */
export async function writeRows(
  rows: Readable,
  statement: string,
  client: pg.Client,
  { pace, stop, onRows }: Pick<CopyWork, 'pace' | 'stop' | 'onRows'>,
): Promise<number> {
  const counter = new RowCounter(onRows);
  const into = client.query(copyFrom(statement));
  if (pace === null) await pipeline(rows, counter, into, { signal: stop });
  else await pipeline(rows, pace.stream(stop), counter, into, { signal: stop });
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
