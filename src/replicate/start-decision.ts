import type { SlotHealth, TargetIdentity } from '../../connectors/connector.ts';
import type { StoredFeed } from '../cache/feed-row.ts';
import { formatLsn, type Lsn } from '../core/lsn.ts';

/** Whether the cache goes on from where it stands, or is built anew. */
export type StartDecision =
  | { readonly kind: 'resume'; readonly after: Lsn }
  | { readonly kind: 'rebuild'; readonly reason: string };

/** What is known when a feed connects. */
export interface StartFacts {
  readonly stored: StoredFeed;
  readonly identity: TargetIdentity;
  readonly slot: SlotHealth;
  /** The newest position written on the target. */
  readonly written: Lsn;
}

/** Decides from what source and target remember of each other; every doubt means building anew. */
export function decideStart({ stored, identity, slot, written }: StartFacts): StartDecision {
  const position = stored.watermark?.position ?? null;
  if (stored.identity === null || stored.watermark === null) return rebuild('first copy');
  if (position === null) return rebuild('the cache was given up');
  const forked = forkReason(stored.identity, identity);
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
  if (slot.kind === 'missing') return 'the replication slot is gone';
  if (slot.kind === 'lost') return `the replication slot is lost: ${slot.reason}`;
  if (slot.confirmed <= position) return null;
  return `the replication slot is at ${formatLsn(slot.confirmed)}, past the cache's position ${formatLsn(position)}`;
}

function forkReason(before: TargetIdentity, now: TargetIdentity): string | null {
  if (before.systemId !== now.systemId) return 'the target is another server';
  if (before.database !== now.database) return 'the target is another database';
  if (before.timeline !== now.timeline)
    return `the target's timeline went from ${before.timeline} to ${now.timeline}`;
  return null;
}

function rebuild(reason: string): StartDecision {
  return { kind: 'rebuild', reason };
}
