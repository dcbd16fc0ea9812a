import type { Client, ClientBase } from 'pg';
import { parseLsn } from '../../src/core/lsn.ts';
import { ConnectorError, type TargetIdentity } from '../connector.ts';

type Server = Pick<TargetIdentity, 'systemId' | 'timeline'>;

// A primary never changes its timeline while it runs, so one look at a new connection holds for all of its life.
const SERVER = `
  select system_identifier::text as system, pg_is_in_recovery() as standby,
    case when not pg_is_in_recovery() then left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) end as timeline
  from pg_control_system()`;

/**
 * The one history all connections to a target must lead to. An address may come to stand for another server at any
 * time, while older connections stay: positions, snapshots and changes of different servers must never be put together.
 */
export class History {
  #expected: Server | null = null;

  /** From now on connections must lead to this server; null until it is known again. */
  expect(server: Server | null): void {
    this.#expected = server;
  }

  /** Throws a ConnectorError when the connection leads to another server than expected. */
  async check(client: Client | ClientBase): Promise<void> {
    if (this.#expected === null) return;
    const { rows } = await client.query<{ system: string; standby: boolean; timeline: string | null }>(
      SERVER,
    );
    const [row] = rows;
    const found = { systemId: row?.system ?? '', timeline: Number.parseInt(row?.timeline ?? '0', 16) };
    if (isSame(found, this.#expected)) return;
    const what =
      row?.standby === true ? 'a standby now' : 'another server than a moment ago, or was failed over';
    throw new ConnectorError('retry', `the address of the target leads to ${what}`);
  }
}

/** The timelines a server's own came from, and where each was left, as its history file tells. */
export function parseAncestors(file: string): TargetIdentity['ancestors'] {
  return file.split('\n').flatMap((line) => {
    const [, timeline, until] = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line) ?? [];
    if (timeline === undefined || until === undefined) return [];
    return [{ timeline: Number(timeline), until: parseLsn(until) }];
  });
}

function isSame(a: Server, b: Server): boolean {
  return a.systemId === b.systemId && a.timeline === b.timeline;
}
