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

/** Reads `<position> <fresh_as_of>` as the statement prints it; nothing at all means no watermark yet. */
export function parseLabel(cell: Buffer | null | undefined): Label {
  const [position, freshAsOf] = cell?.toString('latin1').split(' ') ?? [];
  return {
    position: position === undefined || position === '-' ? null : parseLsn(position),
    freshAsOf: freshAsOf === undefined || freshAsOf === '-' ? null : Number(freshAsOf),
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
