import { must } from '../core/assert.ts';
import type { SourceName } from '../core/names.ts';
import type { Token } from '../core/position/token.ts';
import type { SourceTime } from '../core/position/watermark.ts';
import { type Label, labelOf } from './labels.ts';
import type { WireRow } from './wire/request.ts';

/** How far a target was before its rows were read (if a token asked for that), and how far afterwards. */
export interface Reached {
  /** The rows contain everything up to here; on a standby that is not certain of `after`. */
  readonly before: Token | null;
  /** The rows contain nothing beyond it. */
  readonly after: Token;
}

/** The row of a root statement, taken apart. */
export interface Reading {
  /** JSON first; what follows is no part of the answer. */
  readonly cells: WireRow;
  readonly now: SourceTime | null;
  readonly labels: ReadonlyMap<SourceName, Label>;
  /** Positions of the snapshots that live rows come from. */
  readonly positions: ReadonlyMap<SourceName, Reached>;
}

/** Nothing was read live. */
const NO_POSITIONS: ReadonlyMap<SourceName, Reached> = new Map();

/** Takes apart JSON cells, and where there are feeds the text of the source's clock and one label per feed. */
export function readingOf(row: WireRow, jsonCells: number, targets: readonly SourceName[]): Reading {
  const labels = new Map<SourceName, Label>();
  if (targets.length === 0) return { cells: row, now: null, labels, positions: NO_POSITIONS };
  const words = must(row[jsonCells], 'labels of a root statement').toString('latin1').split(' ');
  targets.forEach((target, i) => void labels.set(target, labelOf(words[2 * i + 1], words[2 * i + 2])));
  return { cells: row, now: Math.round(Number(words[0]) * 1_000_000), labels, positions: NO_POSITIONS };
}
