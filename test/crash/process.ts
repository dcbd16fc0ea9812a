import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DEFAULT_LIMITS, type FeedLimits } from '../../src/replicate/feed-options.ts';
import type { Step } from '../../src/replicate/steps.ts';
import type { FeedRig } from '../support/feed.ts';

const REPLICATOR = fileURLToPath(new URL('replicator.mjs', import.meta.url));

/** Limits with which every step is reached soon, and often. */
export const BUSY: FeedLimits = {
  ...DEFAULT_LIMITS,
  probeIntervalMs: 20,
  batch: { rows: 40, bytes: 1 << 20 },
  early: { ...DEFAULT_LIMITS.early, settledMs: 0 },
  retryMs: { first: 20, longest: 200 },
};

/** Where the process kills itself: at this step, after it was reached so many times; null is nowhere. */
export interface Ending {
  readonly at: Step | null;
  readonly skip: number;
  readonly inOneTrip: boolean;
}

const NEVER: Ending = { at: null, skip: 0, inOneTrip: false };

/** Starts a replicator of what the rig wants in a process of its own, which says so on its standard output when it begins. */
export function spawnReplicator(
  rig: FeedRig,
  limits: Partial<FeedLimits>,
  ending: Ending = NEVER,
): ChildProcess {
  const wanted = rig.wanted.map(({ source, target, lookups, table }) => {
    return { source, target, lookups, table: { ref: table.ref, columns: table.columns } };
  });
  const settings = {
    sourceUrl: rig.source.url,
    targetUrl: rig.target.url,
    wanted,
    limits: { ...BUSY, ...limits },
    ending,
  };
  return spawn(process.execPath, [REPLICATOR, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
