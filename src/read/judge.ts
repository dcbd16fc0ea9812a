import { must } from '../core/assert.ts';
import type { SourceName } from '../core/names.ts';
import type { Lsn } from '../core/position/lsn.ts';
import type { SourceTime } from '../core/position/watermark.ts';
import type { RouteDetail, TargetReport } from './freshness.ts';
import { faultOf, improved } from './labels.ts';
import type { ProbeBoard } from './probe-board.ts';
import type { Reading } from './reading.ts';
import { refuseLost, refuseOutlived } from './refuse-token.ts';
import { cacheReport, liveReport, mayServe, type TargetRead } from './target-read.ts';

/** A request of one source database whose rows have been read. */
export interface Judged {
  readonly group: { readonly source: SourceName };
  readonly reads: readonly TargetRead[];
  /** When it came, by the source's clock; null until that was read. */
  arrival: SourceTime | null;
}

/** A target whose rows must not be the answer, and why. */
export interface Unmet {
  readonly read: TargetRead;
  readonly fault: RouteDetail;
}

/** How the targets' rows came into the answer; or the first target whose rows are not what was asked for. */
export function judge(
  reading: Reading,
  judged: Judged,
  probes: Pick<ProbeBoard, 'latest'>,
): { readonly targets: readonly TargetReport[] } | Unmet {
  const targets: TargetReport[] = [];
  for (const read of judged.reads) {
    const { choice, use } = read;
    if (choice.route === 'live') {
      const reached = reading.positions.get(use.target) ?? null;
      // What the rows contain for certain; `after` may be of commits since.
      refuseLost(read, reached?.before ?? null);
      targets.push(liveReport(use.target, choice, reached?.after ?? null));
      continue;
    }
    const verdict = verdictOn(read, reading, judged, probes);
    if ('read' in verdict) return verdict;
    targets.push(verdict);
  }
  return { targets };
}

/**
 * Compares the watermark that came with the rows, in their own snapshot, with what was asked for. A bound counts back from
 * now. For a request that waits it counts from when the request came, or the wait might never end.
 */
function verdictOn(
  read: TargetRead,
  reading: Reading,
  judged: Judged,
  probes: Pick<ProbeBoard, 'latest'>,
): TargetReport | Unmet {
  const { history, policy } = read;
  const { target } = read.use;
  const now = must(reading.now, 'clock of the source');
  judged.arrival ??= now;
  const proving = (upTo: Lsn): SourceTime | null => probes.latest(judged.group.source, target, upTo);
  const label = improved({ ...must(reading.labels.get(target), 'label'), history }, proving, now);
  if (history !== null) refuseOutlived(read, history);
  const fault = faultOf(label, policy, policy.fallback === 'wait' ? judged.arrival : now);
  const mayAnswer = fault === null || mayServe(fault, read);
  return mayAnswer ? cacheReport(target, { label, now, fault }) : { read, fault };
}
