import type { Connector, SlotHealth, TargetIdentity } from '../../../connectors/connector.ts';
import type { StoredFeed, StoredIdentity } from '../../cache/feed/row.ts';
import type { StoredTable } from '../../cache/table/stored.ts';
import { formatLsn, type Lsn } from '../../core/position/lsn.ts';

/** Whether the cache goes on from where it stands, or is built anew. */
export type StartDecision =
  | { readonly kind: 'resume'; readonly after: Lsn }
  | { readonly kind: 'rebuild'; readonly reason: string };

/** What is known when a feed connects. */
export interface StartFacts {
  readonly stored: StoredFeed;
  readonly identity: TargetIdentity;
  readonly slot: SlotHealth;
  readonly connector: Connector['kind'];
  /** The newest position written on the target. */
  readonly written: Lsn;
}

/** Decides from what source and target remember of each other; every doubt means building anew. */
export function decideStart({ stored, identity, slot, connector, written }: StartFacts): StartDecision {
  const position = stored.watermark?.position ?? null;
  if (stored.identity === null || stored.watermark === null) return rebuild('first copy');
  if (position === null) return rebuild('the cache was given up');
  const forked = forkReason(stored.identity, { identity, slot, connector, position });
  if (forked !== null) return rebuild(forked);
  if (position > written) {
    return rebuild(
      `the target is at ${formatLsn(written)}, before the cache's position ${formatLsn(position)}`,
    );
  }
  const gap = gapReason(slot, position);
  return gap === null ? { kind: 'resume', after: position } : rebuild(gap);
}

function gapReason(slot: SlotHealth, position: Lsn): string | null {
  if (slot.kind === 'missing' || slot.kind === 'unfinished') return 'the replication slot is gone';
  if (slot.kind === 'lost') return `the replication slot is lost: ${slot.reason}`;
  if (slot.confirmed <= position) return null;
  return `the replication slot is at ${formatLsn(slot.confirmed)}, past the cache's position ${formatLsn(position)}`;
}

function forkReason(
  before: StoredIdentity,
  now: Pick<StartFacts, 'identity' | 'slot' | 'connector'> & { readonly position: Lsn },
): string | null {
  const { systemId, database, timeline } = now.identity;
  if (before.systemId !== systemId) return 'the target is another server';
  if (before.database !== database) return 'the target is another database';
  // A slot goes back with its server, and so tells; topics stay as they are when a server is put back.
  if (now.connector === 'kafka' && before.startedAt !== now.identity.startedAt)
    return 'the target was restarted, and Kafka cannot tell whether it was put back to an earlier state';
  return before.timeline === timeline ? null : failoverReason(before.timeline, now);
}

/** After a failover the cache is still right when the new timeline left the old one past its position, and the slot came along. */
function failoverReason(
  before: number,
  { identity, slot, position }: Pick<StartFacts, 'identity' | 'slot'> & { readonly position: Lsn },
): string | null {
  const went = `the target was failed over, from timeline ${before} to ${identity.timeline}`;
  const ancestor = identity.ancestors.find(({ timeline }) => timeline === before);
  if (ancestor === undefined) return `${went}, which does not come from it`;
  if (position > ancestor.until) {
    const [fork, at] = [formatLsn(ancestor.until), formatLsn(position)];
    return `${went}, which began at ${fork}, before the cache's position ${at}`;
  }
  // Only a slot that the standby itself kept in step is known to have kept what decoding needs.
  if (slot.kind !== 'usable' || !slot.isSynced) return `${went}, without the replication slot`;
  return null;
}

function rebuild(reason: string): StartDecision {
  return { kind: 'rebuild', reason };
}

/**
 * What to do where the target was before, of which no address may be known any more; null when it is the same database, or
 * nothing of ours can be there.
 */
export function leftBehind(
  before: StoredIdentity | null,
  { identity, connector }: Pick<StartFacts, 'identity' | 'connector'>,
  slot: string,
): string | null {
  if (before === null || connector === 'kafka') return null;
  const { systemId, database } = before;
  if (systemId === identity.systemId && database === identity.database) return null;
  return (
    `the target was database "${database}" of system ${systemId} before: where that still runs, and the log does not say that ` +
    `slot and publication were dropped there, run there: select pg_drop_replication_slot('${slot}'); drop publication ${slot};`
  );
}

/**
 * Copies under way that were read past the position the cache has proved its history to. When the target's server was
 * another process then, what they were read from may be lost: a failover or a restore can lie in between.
 */
export function doubtfulCopies(
  copies: readonly StoredTable[],
  { before, now, position }: { readonly before: string | null; readonly now: string; readonly position: Lsn },
): readonly StoredTable[] {
  if (before === now) return [];
  return copies.filter(({ state, copiedAt }) => {
    const isUnderWay = state.kind === 'copying' || state.kind === 'catching-up';
    return isUnderWay && copiedAt !== null && copiedAt > position;
  });
}
