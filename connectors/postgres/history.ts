import type { Client, ClientBase } from 'pg';
import { must } from '../../src/core/assert.ts';
import { parseLsn } from '../../src/core/position/lsn.ts';
import { STARTED_AT } from '../../src/core/postgres/started-at.ts';
import { ConnectorError, type TargetIdentity } from '../connector.ts';

type Server = Pick<TargetIdentity, 'timeline' | 'startedAt'>;

// A server that was started from another's files has its system identifier, and its timeline until it is promoted: only the
// microsecond in which it was started tells the two apart, and any others. So not every role need be allowed to ask for the
// identifier. Both stay while a server runs: one look holds for all of a connection's life.
const SERVER = `
  select pg_is_in_recovery() as standby,
    case when not pg_is_in_recovery() then left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) end as timeline,
    ${STARTED_AT} as started`;

interface Row {
  readonly standby: boolean;
  readonly timeline: string | null;
  readonly started: string;
}

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
    const { rows } = await client.query<Row>(SERVER);
    const row = must(rows[0], 'what the target says of itself');
    const timeline = Number.parseInt(row.timeline ?? '0', 16);
    if (timeline === this.#expected.timeline && row.started === this.#expected.startedAt) return;
    const what = row.standby
      ? 'a standby now'
      : 'another server than a moment ago, or that one was failed over or started again';
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
