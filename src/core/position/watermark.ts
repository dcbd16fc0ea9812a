import type { Lsn } from './lsn.ts';

/**
 * Microseconds since 1970 on the source database's clock; the only clock freshness is measured on.
 * Fits a double exactly until the year 2255.
 */
export type SourceTime = number;

/** A finished freshness probe: once a cache has applied `position`, it is fresh as of `freshAsOf`. */
export interface Probe {
  readonly freshAsOf: SourceTime;
  readonly position: Lsn;
}

/** A proof may be this much newer than the clock reading it is held against: it can come while a statement runs. */
const AHEAD_US = 1_000_000;

/** False for a time that the source's clock showed before it was set back: held against it, a copy would look fresh for ever. */
export function isCredible(freshAsOf: SourceTime, now: SourceTime): boolean {
  return freshAsOf <= now + AHEAD_US;
}

/** Age of a watermark in whole milliseconds, never negative. */
export function stalenessMs(now: SourceTime, freshAsOf: SourceTime): number {
  return Math.max(0, Math.ceil((now - freshAsOf) / 1000));
}
