import { randomBytes } from 'node:crypto';
import type { CustomTypesConfig, QueryResultRow } from 'pg';
import { must } from '../../src/core/assert.ts';
import { type Lsn, parseLsn } from '../../src/core/position/lsn.ts';
import { quoteTable } from '../../src/core/postgres/quote-identifier.ts';
import type { PieceCursor } from '../../src/core/rows/piece-cursor.ts';
import type { Comparison, Piece, RowStream, Snapshot, TableColumns } from '../connector.ts';
import { type AdminPool, OwnClient } from './client.ts';
import { comparisonOver } from './database/comparison.ts';
import { toConnectorError } from './failure.ts';
import { seesAllOf, snapshotNow, untilEnough } from './shown.ts';
import { copySlotPrefix, cutOnFailure } from './slot.ts';
import { copyRows } from './snapshot/copy-rows.ts';
import {
  copyQuery,
  copyTable,
  EXTENT_SQL,
  type Extent,
  keyedQuery,
  nextPages,
  pieceQuery,
} from './snapshot/pieces.ts';
import { type Reader, SnapshotReaders } from './snapshot/snapshot-readers.ts';
import { type Found, hold, lookSql, refuseMisfit, rewritten } from './snapshot/table-check.ts';

/** So many that will read are connected while the snapshot is exported, which takes as long. */
const MOST_PREPARED = 2;
/** One statement asks for so many rows by their key. */
const KEYS_AT_ONCE = 200;

/** Values as the server prints them. */
const AS_TEXT: CustomTypesConfig = { getTypeParser: () => (value: string) => value };

/**
 * Exports a snapshot through a temporary slot. Only that makes the position exact: a commit can be in the log and
 * not yet visible, so a position read beside an ordinary snapshot would say too much or too little.
 */
export async function openSnapshot(
  admin: AdminPool,
  willRead: number,
  signal: AbortSignal,
): Promise<Snapshot> {
  const stop = new AbortController();
  const readers = new SnapshotReaders(admin.target, AbortSignal.any([signal, stop.signal]));
  const keeping = 1;
  for (let at = 0; at < keeping + Math.min(willRead, MOST_PREPARED); at += 1) readers.prepare();
  try {
    const { at, kept } = await exportThrough(admin, readers, signal);
    await untilShown(admin, kept.sees, signal);
    return new ExportedSnapshot({ admin, readers, at, name: kept.name, stop });
  } catch (error) {
    stop.abort();
    throw toConnectorError(error, 'snapshot');
  }
}

interface Kept {
  readonly name: string;
  /** As text of type pg_snapshot. */
  readonly sees: string;
}

/** The temporary slot would hold back the target's log for as long as it is there, so the snapshot is passed on to an ordinary session. */
async function exportThrough(
  admin: AdminPool,
  readers: SnapshotReaders,
  signal: AbortSignal,
): Promise<{ readonly at: Lsn; readonly kept: Kept }> {
  const { target } = admin;
  const exporter = await OwnClient.open(target, signal, { replication: true });
  try {
    const { at, name } = await cutOnFailure(admin, exporter, () => exportSnapshot(exporter, target.name));
    const keeper = await readers.within(name);
    const result = await keeper.client.query<Kept & QueryResultRow>(
      'select pg_export_snapshot() as name, pg_current_snapshot()::text as sees',
    );
    return { at, kept: must(result.rows[0], 'the name of a snapshot') };
  } finally {
    exporter.destroy();
  }
}

/** The snapshot shows what is in the log up to its position; the target's own sessions may see some of it a moment later. */
async function untilShown(admin: AdminPool, sees: string, signal: AbortSignal): Promise<void> {
  await untilEnough({
    look: () => snapshotNow(admin),
    isEnough: (now) => seesAllOf(now, sees),
    limitMs: admin.target.timings.statementMs,
    signal,
  });
}

interface Exported {
  readonly at: Lsn;
  readonly name: string;
}

async function exportSnapshot(exporter: OwnClient, name: string): Promise<Exported> {
  const slot = copySlotPrefix(name) + randomBytes(6).toString('hex');
  const result = await exporter.client.query<{ consistent_point: string; snapshot_name: string }>(
    `CREATE_REPLICATION_SLOT "${slot}" TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT`,
  );
  const row = must(result.rows[0], 'the row of a temporary slot');
  return { at: parseLsn(row.consistent_point), name: row.snapshot_name };
}

interface Parts {
  readonly admin: AdminPool;
  readonly readers: SnapshotReaders;
  readonly at: Lsn;
  readonly name: string;
  /** Ends all its sessions. */
  readonly stop: AbortController;
}

/** One connection keeps the snapshot alive; those that read import it. */
class ExportedSnapshot implements Snapshot {
  readonly #parts: Parts;
  readonly #readers: SnapshotReaders;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#readers = parts.readers;
  }

  get at(): Lsn {
    return this.#parts.at;
  }

  copy(from: TableColumns): Promise<RowStream> {
    return this.#reading(from, async (reader, found) => {
      if (found.rewritten) throw rewritten(from.table);
      return this.#copied(reader, copyTable(from, found.plain));
    });
  }

  piece(from: TableColumns, cursor: PieceCursor | null, bytes: number): Promise<Piece | null> {
    return this.#reading(from, async (reader, found) => {
      const result = await reader.own.client.query<Extent & QueryResultRow>(EXTENT_SQL, [
        quoteTable(from.table),
      ]);
      const extent = must(result.rows[0], 'the extent of a table');
      const pages = found.rewritten ? null : nextPages(extent, cursor, bytes);
      if (pages === null) {
        await this.#readers.giveBack(reader);
        return null;
      }
      const rows = this.#copied(reader, copyQuery(from, pieceQuery(from, pages)));
      return { rows, cursor: { files: extent.files, next: pages.to, end: pages.end } };
    });
  }

  rows(
    from: TableColumns,
    key: readonly string[],
    keys: readonly (readonly string[])[],
  ): Promise<readonly (readonly (string | null)[])[]> {
    return this.#reading(from, async (reader, { rewritten: isRewritten }) => {
      if (isRewritten) throw rewritten(from.table);
      const found: (string | null)[][] = [];
      for (let at = 0; at < keys.length; at += KEYS_AT_ONCE) {
        const { text, values } = keyedQuery(from, key, keys.slice(at, at + KEYS_AT_ONCE));
        const query = { text, values: [...values], rowMode: 'array', types: AS_TEXT } as const;
        found.push(...(await reader.own.client.query<(string | null)[]>(query)).rows);
      }
      await this.#readers.giveBack(reader);
      return found;
    });
  }

  async compare(): Promise<Comparison> {
    const own = await this.#readers.within(this.#parts.name);
    return await comparisonOver(own, 'snapshot', (table) => hold(own, table));
  }

  /** A session in which the table stands still; the work gives it back when it succeeds. */
  async #reading<T>(from: TableColumns, work: (reader: Reader, found: Found) => Promise<T>): Promise<T> {
    const { reader, answer } = await this.#readers.take<Found>(from.table, this.#parts.name, lookSql(from));
    return await reader.own.orCut('snapshot', async () => {
      refuseMisfit(from.table, answer);
      return await work(reader, answer);
    });
  }

  #copied(reader: Reader, query: string): RowStream {
    return copyRows({
      ...reader,
      query,
      admin: this.#parts.admin,
      onEnd: () => void this.#readers.giveBack(reader),
    });
  }

  close(): Promise<void> {
    this.#parts.stop.abort();
    return Promise.resolve();
  }
}
