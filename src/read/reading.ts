import type { Lsn } from '../core/lsn.ts';
import type { SourceName } from '../core/names.ts';
import type { SourceTime } from '../core/watermark.ts';
import { type Label, parseLabel } from './labels.ts';

/** The row of a root statement, taken apart. */
export interface Reading {
  readonly cells: readonly (Buffer | null)[];
  readonly now: SourceTime | null;
  readonly labels: ReadonlyMap<SourceName, Label>;
  /** Positions of the snapshots that live rows come from. */
  readonly positions: ReadonlyMap<SourceName, Lsn | null>;
}

/** Takes apart JSON cells, the source's clock, and one label per feed. */
export function readingOf(
  row: readonly (Buffer | null)[],
  jsonCells: number,
  targets: readonly SourceName[],
): Reading {
  const labels = new Map(targets.map((target, i) => [target, parseLabel(row[jsonCells + 1 + i])]));
  const clock = row[jsonCells];
  return {
    cells: row.slice(0, jsonCells),
    now:
      targets.length === 0 || clock === null || clock === undefined
        ? null
        : Math.round(Number(clock.toString('latin1')) * 1_000_000),
    labels,
    positions: new Map(),
  };
}
