import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { escapeIdentifier } from 'pg';
import { must } from '../../src/core/assert.ts';
import { type Lsn, parseLsn } from '../../src/core/lsn.ts';
import type { TableRef } from '../../src/core/names.ts';
import type { Snapshot } from '../connector.ts';
import { type AdminPool, OwnClient } from './client.ts';
import { copyRows } from './copy-rows.ts';
import { toConnectorError } from './failure.ts';
import { quoted } from './publishable.ts';
import type { Target } from './settings.ts';
import { backendPid, cutOnFailure } from './slot.ts';

/**
 * Exports a snapshot through a temporary slot. Only that makes the position exact: a commit can be in the log and
 * not yet visible, so a position read beside an ordinary snapshot would say too much or too little.
 */
export async function openSnapshot(target: Target, admin: AdminPool, signal: AbortSignal): Promise<Snapshot> {
  const exporter = await OwnClient.open(target, signal, true);
  try {
    const exported = await cutOnFailure(target, admin, exporter, () => exportSnapshot(exporter, target.name));
    return new ExportedSnapshot({ target, admin, exporter, exported }, signal);
  } catch (error) {
    exporter.destroy();
    throw toConnectorError(error, 'snapshot');
  }
}

interface Exported {
  readonly at: Lsn;
  readonly name: string;
}

async function exportSnapshot(exporter: OwnClient, name: string): Promise<Exported> {
  const slot = `${name.slice(0, 40)}_copy_${randomBytes(6).toString('hex')}`;
  const result = await exporter.client.query<{ consistent_point: string; snapshot_name: string }>(
    `CREATE_REPLICATION_SLOT "${slot}" TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT`,
  );
  const row = must(result.rows[0], 'the row of a temporary slot');
  return { at: parseLsn(row.consistent_point), name: row.snapshot_name };
}

/** The exporting connection keeps the snapshot alive; each copy imports it on a connection of its own. */
class ExportedSnapshot implements Snapshot {
  readonly at: Lsn;
  readonly #target: Target;
  readonly #admin: AdminPool;
  readonly #exporter: OwnClient;
  readonly #name: string;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;

  constructor(
    from: { target: Target; admin: AdminPool; exporter: OwnClient; exported: Exported },
    signal: AbortSignal,
  ) {
    this.at = from.exported.at;
    this.#target = from.target;
    this.#admin = from.admin;
    this.#exporter = from.exporter;
    this.#name = from.exported.name;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
  }

  async copy(table: TableRef, columns: readonly string[]): Promise<Readable> {
    const own = await OwnClient.open(this.#target, this.#signal);
    try {
      await own.client.query('begin transaction isolation level repeatable read read only');
      await own.client.query(`set transaction snapshot '${this.#name}'`);
      const query = `copy (select ${columns.map(escapeIdentifier).join(', ')} from ${quoted(table)}) to stdout`;
      return copyRows({
        own,
        pid: await backendPid(own),
        query,
        admin: this.#admin,
        timings: this.#target.timings,
      });
    } catch (error) {
      own.destroy();
      throw toConnectorError(error, 'snapshot');
    }
  }

  close(): Promise<void> {
    this.#stop.abort();
    this.#exporter.destroy();
    return Promise.resolve();
  }
}
