import { type Lsn, parseLsn } from '../core/lsn.ts';
import type { SourceName } from '../core/names.ts';
import type { ProbeBoard } from '../core/probe-board.ts';
import { type SourceTime, stalenessMs } from '../core/watermark.ts';
import type { Policy, RouteDetail } from './freshness.ts';

/** The watermark that a snapshot showed beside the rows. Without a position the rows must not be used. */
export interface Label {
  readonly position: Lsn | null;
  readonly freshAsOf: SourceTime | null;
}

/** Reads what a statement prints of a watermark; `-` where it knows nothing. */
export function labelOf(position: string = '-', freshAsOf: string = '-'): Label {
  return {
    position: position === '-' ? null : parseLsn(position),
    freshAsOf: freshAsOf === '-' ? null : Number(freshAsOf),
  };
}

/** The label, made younger by a finished probe where one proves it. */
export function improved(label: Label, probes: ProbeBoard, source: SourceName, target: SourceName): Label {
  if (label.position === null) return label;
  const proved = probes.latest(source, target, label.position);
  if (proved === null || (label.freshAsOf !== null && label.freshAsOf >= proved)) return label;
  return { position: label.position, freshAsOf: proved };
}

/** What keeps labelled rows from being the answer; null when nothing does. `at` is the time that the bound counts from. */
export function faultOf(label: Label, policy: Policy, at: SourceTime): RouteDetail | null {
  if (label.position === null) return 'slot-lost';
  if (policy.token !== null && label.position < policy.token) return 'token-ahead';
  if (label.freshAsOf === null || stalenessMs(at, label.freshAsOf) > policy.boundMs) return 'lagging';
  return null;
}
