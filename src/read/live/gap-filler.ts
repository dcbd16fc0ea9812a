import { must } from '../../core/assert.ts';
import type { SourceName } from '../../core/names.ts';
import { arrayLiteral } from '../../core/postgres/array-literal.ts';
import type { TextValues } from '../../core/postgres/text-values.ts';
import type { StopSignal } from '../../core/waiting/stop-signal.ts';
import { fillStatement } from '../../sql/live/fill-gaps.ts';
import { type Gap, placeOf } from '../../sql/shape/gap.ts';
import { boundValues, type Statement } from '../../sql/statement.ts';
import { whileNeeded } from '../in-order.ts';
import type { ReadSettings } from '../settings.ts';
import type { SourceGroup } from '../source-group.ts';
import type { AskedStatement } from '../wire/pool.ts';
import type { WireRow } from '../wire/request.ts';
import { GapText, textsOf } from './gap-text.ts';
import { beyondLimit } from './limits.ts';

/** What filling gaps needs. */
export interface FillerParts {
  readonly group: SourceGroup;
  readonly values: TextValues;
  readonly settings: ReadSettings;
  readonly statement: (key: string, make: () => Statement) => Statement;
  readonly signal: StopSignal;
  /** Runs a statement on a target; the first cell of its row is the target's position. */
  readonly ask: (target: SourceName, statement: AskedStatement, signal: StopSignal) => Promise<WireRow>;
}

/** Fills the gaps that a source left in its answer: one statement for each target, all targets at the same time. */
export async function fillGaps(row: WireRow, gaps: readonly Gap[], parts: FillerParts): Promise<WireRow> {
  const { jsonCells } = parts.group;
  const text = new GapText(row.slice(0, jsonCells));
  const texts = new Map<number, readonly Buffer[]>();
  const targets = new Set(gaps.map(({ field }) => placeOf(field).source));
  await whileNeeded(
    parts.signal,
    [...targets].map((target) => async (signal) => {
      const here = gaps.filter(({ field }) => placeOf(field).source === target);
      for (const [place, found] of await textsFrom(target, here, text, { ...parts, signal }))
        texts.set(place, found);
    }),
  );
  return [...text.filled(texts, parts.settings.resultLimitBytes), ...row.slice(jsonCells)];
}

async function textsFrom(
  target: SourceName,
  gaps: readonly Gap[],
  text: GapText,
  { group, values, settings, statement, signal, ask }: FillerParts,
): Promise<readonly (readonly [place: number, texts: readonly Buffer[]])[]> {
  const keys = new Map(gaps.map(({ field }) => [placeOf(field).id, text.keys(placeOf(field).id)]));
  if ([...keys.values()].every((list) => list.length === 0)) return [];
  checkLimit(gaps, keys, settings.liveKeyLimit);
  const fill = statement(`fill ${[...keys.keys()].join(' ')}`, () =>
    fillStatement({
      source: group.source,
      gaps,
      params: group.plan.params,
      stringifyNumbers: group.stringifyNumbers,
    }),
  );
  const arrays = new Map(
    gaps.map(({ field }) => {
      const { id } = placeOf(field);
      return [id, columnsOf(keys.get(id) ?? [], field.join.on.length)];
    }),
  );
  const bound = boundValues(fill, values, (slot) =>
    slot.kind === 'gap' ? must(arrays.get(slot.place)?.[slot.column], 'keys of a gap') : null,
  );
  const row = await ask(target, { text: fill.text, values: bound }, signal);
  return [...keys].map(([id, list], i) => [id, textsOf(row[i + 1] ?? null, list.length)]);
}

function checkLimit(gaps: readonly Gap[], keys: ReadonlyMap<number, readonly string[]>, limit: number): void {
  for (const { field } of gaps) {
    const place = placeOf(field);
    const count = keys.get(place.id)?.length ?? 0;
    if (count > limit)
      throw beyondLimit(place, field.join, `${count} different keys (the limit is ${limit})`);
  }
}

const WHOLE_NUMBER = /^-?\d+$/;

/** Keys as array literals, one for each column. */
function columnsOf(keys: readonly string[], width: number): readonly string[] {
  if (width === 1 && keys.every((key) => WHOLE_NUMBER.test(key))) return [`{${keys.join(',')}}`];
  const rows = keys.map((key) =>
    WHOLE_NUMBER.test(key) ? [key] : (JSON.parse(`[${key}]`) as readonly (string | null)[]),
  );
  return Array.from({ length: width }, (_, column) => arrayLiteral(rows.map((row) => row[column] ?? null)));
}
