import { must } from '../core/assert.ts';
import type { SourceName } from '../core/names.ts';
import type { Token } from '../core/token.ts';
import type { SourceTime } from '../core/watermark.ts';
import { type Label, labelOf } from './labels.ts';

/** The row of a root statement, taken apart. */
export interface Reading {
  readonly cells: readonly (Buffer | null)[];
  readonly now: SourceTime | null;
  readonly labels: ReadonlyMap<SourceName, Label>;
  /** Positions of the snapshots that live rows come from. */
  readonly positions: ReadonlyMap<SourceName, Token>;
}

/** Takes apart JSON cells, and where there are feeds the text of the source's clock and one label per feed. */
export function readingOf(
  row: readonly (Buffer | null)[],
  jsonCells: number,
  targets: readonly SourceName[],
): Reading {
  const cells = row.slice(0, jsonCells);
  const labels = new Map<SourceName, Label>();
  const positions = new Map<SourceName, Token>();
  if (targets.length === 0) return { cells, now: null, labels, positions };
  const [clock, ...words] = must(row[jsonCells], 'labels of a root statement').toString('latin1').split(' ');
  targets.forEach((target, i) => void labels.set(target, labelOf(words[2 * i], words[2 * i + 1])));
  return { cells, now: Math.round(Number(clock) * 1_000_000), labels, positions };
}
