import { keptIn } from '../core/kept-in.ts';
import type { SourceName } from '../core/names.ts';
import type { Lsn } from '../core/position/lsn.ts';
import type { Probe, SourceTime } from '../core/position/watermark.ts';

const KEPT = 256;

/**
 * Finished freshness probes of the last seconds, in memory: they say that a cache which has applied a probe's position is
 * fresher than the watermark row beside its rows tells, without writing that row for every probe.
 */
export class ProbeBoard {
  readonly #probes = new Map<SourceName, Map<SourceName, Probe[]>>();

  /** Remembers a probe of the feed from `target` into `source`; null forgets them: what was proved counts no more. */
  put(source: SourceName, target: SourceName, probe: Probe | null): void {
    if (probe === null) {
      this.#probes.get(source)?.delete(target);
      return;
    }
    const feeds = keptIn(this.#probes, source, () => new Map());
    const list = keptIn(feeds, target, () => []);
    list.push(probe);
    if (list.length > KEPT) list.shift();
  }

  /** The time up to which a cache that has applied `upTo` is fresh; null when no probe tells. */
  latest(source: SourceName, target: SourceName, upTo: Lsn): SourceTime | null {
    const list = this.#probes.get(source)?.get(target);
    if (list === undefined) return null;
    // Time and position of probes only grow, so the newest one that is covered is the best; mostly it is the last.
    for (let at = list.length - 1; at >= 0; at -= 1) {
      const probe = list[at];
      if (probe !== undefined && probe.position <= upTo) return probe.freshAsOf;
    }
    return null;
  }
}
