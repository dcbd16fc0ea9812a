import type { Lsn } from './lsn.ts';
import type { SourceName } from './names.ts';
import type { Probe, SourceTime } from './watermark.ts';

const KEPT = 64;

/**
 * Finished freshness probes of the last seconds, in memory: they say that a cache which has applied a probe's position is
 * fresher than the watermark row beside its rows tells, without writing that row for every probe.
 */
export class ProbeBoard {
  readonly #probes = new Map<string, Probe[]>();

  /** Remembers a probe of the feed from `target` into `source`. */
  put(source: SourceName, target: SourceName, probe: Probe): void {
    const key = keyOf(source, target);
    const list = this.#probes.get(key) ?? [];
    list.push(probe);
    if (list.length > KEPT) list.shift();
    this.#probes.set(key, list);
  }

  /** The time up to which a cache that has applied `upTo` is fresh; null when no probe tells. */
  latest(source: SourceName, target: SourceName, upTo: Lsn): SourceTime | null {
    const list = this.#probes.get(keyOf(source, target)) ?? [];
    return list.reduce<SourceTime | null>((best, probe) => {
      if (probe.position > upTo) return best;
      return best === null || probe.freshAsOf > best ? probe.freshAsOf : best;
    }, null);
  }

  /** Forgets a feed: its target's history has forked, so old positions mean nothing. */
  clear(source: SourceName, target: SourceName): void {
    this.#probes.delete(keyOf(source, target));
  }
}

function keyOf(source: SourceName, target: SourceName): string {
  return JSON.stringify([source, target]);
}
