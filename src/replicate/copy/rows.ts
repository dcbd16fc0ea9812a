import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { RowStream } from '../../../connectors/connector.ts';
import type { CopyWork } from './work.ts';

/**
 * Writes rows with the statement, no faster than the pace; returns their number. The bytes are not changed: what one server
 * prints the other reads.
 */
export async function writeRows(
  rows: RowStream,
  statement: string,
  client: pg.Client,
  { pace, stop, onRows }: Pick<CopyWork, 'pace' | 'stop' | 'onRows'>,
): Promise<number> {
  let told = 0;
  const tell = (upTo: number): void => {
    onRows(upTo - told);
    told = upTo;
  };
  const transform = (chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void => {
    tell(rows.rowsRead);
    done(null, chunk);
  };
  const counter = new Transform({ transform });
  const into = client.query(copyFrom(statement));
  if (pace === null) await pipeline(rows, counter, into, { signal: stop });
  else await pipeline(rows, pace.stream(stop), counter, into, { signal: stop });
  tell(into.rowCount);
  return into.rowCount;
}
