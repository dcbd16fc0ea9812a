import { unfitTarget } from '../../../src/core/postgres/oldest-postgres.ts';
import { STARTED_AT } from '../../../src/core/postgres/started-at.ts';
import { ConnectorError, refusalState, type TargetIdentity } from '../../connector.ts';
import { type AdminPool, OwnClient } from '../client.ts';
import { toConnectorError } from '../failure.ts';
import { parseAncestors } from '../history.ts';
import type { Target } from '../settings.ts';
import { refuseOtherReader } from '../slot.ts';

const STANDBY = 'the target is a standby: connect to its primary';

interface Server {
  readonly version: number;
  readonly wal_level: string;
  readonly is_standby: boolean;
  readonly slots_left: number;
  readonly has_slot: boolean;
}

/**
 * Which history the target writes; throws when it cannot feed a cache, saying what must change. All connections made
 * from now on must lead to the same one.
 */
export async function identify(admin: AdminPool, closing: AbortSignal): Promise<TargetIdentity> {
  const { target } = admin;
  target.history.expect(null);
  const reading = readIdentity(target, closing);
  const identity = await reading.catch((error: unknown) => {
    if (isUnanswered(error)) throw error;
    return null; // what went wrong is told below, unless there is more to tell
  });
  target.history.expect(identity);
  // Older connections may lead anywhere. Those made from now on are told to lead to the same server, and are kept.
  admin.renew();
  const server = await admin.row<Server>(
    `select
       current_setting('server_version_num')::int as version,
       current_setting('wal_level') as wal_level,
       pg_is_in_recovery() as is_standby,
       current_setting('max_replication_slots')::int
         - (select count(*)::int from pg_replication_slots) as slots_left,
       exists (select from pg_replication_slots where slot_name = $1) as has_slot`,
    [target.name],
  );
  const fault = faultOf(server);
  if (fault !== null) throw new ConnectorError('unfit', fault);
  await refuseOtherReader(admin);
  return identity ?? (await reading);
}

/** No server was heard: it would be waited for once more. */
function isUnanswered(error: unknown): boolean {
  return error instanceof ConnectorError && error.cause !== undefined && refusalState(error) === null;
}

function faultOf(server: Server): string | null {
  const unfit = unfitTarget(server.version);
  if (unfit !== null) return unfit;
  if (server.is_standby) return STANDBY;
  if (server.wal_level !== 'logical') {
    return (
      `the target runs with wal_level = ${server.wal_level}: ` +
      'run "alter system set wal_level = logical" there and restart it'
    );
  }
  if (!server.has_slot && server.slots_left <= 0) {
    return 'all replication slots of the target are in use: raise max_replication_slots there and restart it';
  }
  return null;
}

/** Also proves that the role may replicate and that a walsender is free. */
async function readIdentity(target: Target, closing: AbortSignal): Promise<TargetIdentity> {
  const limit = AbortSignal.any([closing, AbortSignal.timeout(target.timings.statementMs)]);
  const options = { replication: true, identifies: true };
  const own = await OwnClient.open(target, limit, options).catch((error: unknown) => {
    throw withReplicationHint(error);
  });
  try {
    const result = await own.client.query<{ systemid: string; timeline: number; dbname: string }>(
      'IDENTIFY_SYSTEM',
    );
    // Over the same connection: by this moment other connections are told to lead to the same server.
    const started = await own.client.query<{ at: string; is_standby: boolean }>(
      `select ${STARTED_AT} as at, pg_is_in_recovery() as is_standby`,
    );
    // Another connection says so for good; by then it may be promoted.
    if (started.rows[0]?.is_standby === true) throw new ConnectorError('retry', STANDBY);
    const [row] = result.rows;
    const startedAt = started.rows[0]?.at;
    if (row === undefined || startedAt === undefined)
      throw new ConnectorError('retry', 'the target did not identify itself');
    const timeline = Number(row.timeline);
    const ancestors = await readAncestors(own, timeline);
    return { systemId: row.systemid, timeline, database: row.dbname, startedAt, ancestors };
  } catch (error) {
    throw toConnectorError(error, 'administer');
  } finally {
    own.destroy();
  }
}

async function readAncestors(own: OwnClient, timeline: number): Promise<TargetIdentity['ancestors']> {
  if (timeline === 1) return [];
  const result = await own.client.query<{ content: Buffer | string }>(`TIMELINE_HISTORY ${timeline}`);
  return parseAncestors(String(result.rows[0]?.content ?? ''));
}

function withReplicationHint(error: unknown): unknown {
  if (!(error instanceof ConnectorError) || error.failure !== 'unfit') return error;
  return new ConnectorError(
    'unfit',
    `${error.message}: the role of the connection string needs the attribute REPLICATION ("alter role … replication")`,
    error.cause,
  );
}
