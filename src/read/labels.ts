import { type Lsn, parseLsn } from '../core/position/lsn.ts';
import { contains, type HistoryName } from '../core/position/token.ts';
import { isCredible, type SourceTime, stalenessMs } from '../core/position/watermark.ts';
import type { Policy, RouteDetail } from './freshness.ts';
import { isUndefined, isUnreadable } from './wire/failure.ts';

/** The watermark that came with the rows, in the same snapshot. Without a position the rows must not be used. */
export interface Label {
  readonly position: Lsn | null;
  readonly freshAsOf: SourceTime | null;
  readonly history: HistoryName | null;
}

/** Reads a watermark as statements print it, `-` standing for null. */
export function labelOf(
  position: string = '-',
  freshAsOf: string = '-',
  history: HistoryName | null = null,
): Label {
  return {
    position: position === '-' ? null : parseLsn(position),
    freshAsOf: freshAsOf === '-' ? null : Number(freshAsOf),
    history,
  };
}

/** The label with the newest credible time: its own, or that of a finished probe which its position covers. */
export function improved(label: Label, proving: (upTo: Lsn) => SourceTime | null, now: SourceTime): Label {
  const { position, freshAsOf, history } = label;
  if (position === null) return label;
  const credible = (time: SourceTime | null): SourceTime | null =>
    time !== null && isCredible(time, now) ? time : null;
  return { position, freshAsOf: later(credible(freshAsOf), credible(proving(position))), history };
}

function later(a: SourceTime | null, b: SourceTime | null): SourceTime | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}

/** Why rows with this label must not be the answer; null when they may. The bound counts back from `at`. */
export function faultOf(label: Label, policy: Policy, at: SourceTime): RouteDetail | null {
  if (label.position === null) return 'slot-lost';
  if (policy.token !== null && !contains({ ...label, position: label.position }, policy.token))
    return 'token-ahead';
  if (label.freshAsOf === null || stalenessMs(at, label.freshAsOf) > policy.boundMs) return 'lagging';
  return null;
}

/** Why a cache cannot be read, told from a statement's failure; null when the failure is about something else. */
export function lossOf(error: unknown): 'copying' | 'failed' | null {
  if (isUndefined(error)) return 'copying';
  return isUnreadable(error) ? 'failed' : null;
}
