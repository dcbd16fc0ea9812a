import { type PassedRow, passingData } from '../../cache/rows/copy-text.ts';
import type { WriteStatement } from '../../cache/rows/row-source.ts';
import type { Change } from '../../core/rows/change.ts';
import { type Row, rowOf, UNCHANGED } from '../../core/rows/row.ts';
import { TableBroken } from '../interruptions.ts';
import type { BatchWriting, Writes } from './batch-writing.ts';
import { fold, type Passing, type PassingChange, UNNAMED } from './fold.ts';
import type { Bound } from './sink.ts';

/** Sends statements and resolves when they are answered. */
type Send = (writes: Writes) => Promise<void>;

/**
 * Writes a row while it comes: all before it must have been sent, and nothing may be sent before this resolves. One that
 * two generations want, or that cannot be staged, is gathered first.
 */
export async function writePassing(passing: Passing, writing: BatchWriting, send: Send): Promise<void> {
  const { change, bound, sinks } = passing;
  const [only] = bound;
  if (only !== undefined && bound.length === 1 && isInOrder(only.places)) {
    const { append } = only.sink.writer;
    if (change.kind === 'insert' && append !== null)
      return send(writing.planAlone(only.sink, [fed(append([rowOf([])]), change, lookFor(only, null))]));
    if (writing.canStage) return stage(change, only, writing, send);
  }
  const whole: Change = { ...change, after: await change.after.whole() };
  await send(writing.plan(fold([whole], sinks)));
}

/** Whether the cells come in the order in which they are held, and all do. */
function isInOrder(places: readonly number[]): boolean {
  return places.every((place, index) => place > (places[index - 1] ?? -1));
}

/** Copies the row to where it is staged, then writes it from there: only then is it known what of it was not sent. */
async function stage(change: PassingChange, to: Bound, writing: BatchWriting, send: Send): Promise<void> {
  const { sink, places, view } = to;
  const before = change.kind === 'update' && change.before !== null ? view(change.before) : null;
  if (before !== null && sink.keys.some((at) => before.cell(at) === null))
    throw new TableBroken(sink.stored, UNNAMED);
  const passed = lookFor(to, before);
  const upsert = sink.writer.upsert([rowOf(places.map(() => null))], 'stage');
  const loads = upsert.slice(0, upsert.length - staged(upsert).length);
  const feeds = loads.map((each) => fed(each, change, passed));
  await send(writing.planAlone(sink, feeds));
  const key = rowOf(places.map((_, at) => keyText(passed, at) ?? UNCHANGED));
  const isMoved = before !== null && sink.keys.some((at) => before.cell(at) !== key.cell(at));
  const isWhole = passed.missing.length === 0;
  const move = (from: Row): readonly WriteStatement[] =>
    isWhole ? sink.writer.remove([from], 'row') : sink.writer.rekey(from, key);
  const writes = isWhole ? upsert : sink.writer.partial([key], passed.missing, 'stage');
  await send([...(isMoved ? move(before) : []), ...staged(writes)].map((each) => ({ ...each, sink })));
}

function lookFor({ sink, places }: Bound, before: Row | null): PassedRow {
  return { places, keys: sink.keys, before, missing: [], key: new Map() };
}

function keyText({ key }: PassedRow, at: number): string | null {
  const pieces = key.get(at);
  return pieces === undefined ? null : Buffer.concat(pieces).toString('utf8');
}

function fed(statement: WriteStatement, { after }: PassingChange, passed: PassedRow): WriteStatement {
  const { copy } = statement;
  return copy === undefined
    ? statement
    : { ...statement, copy: { ...copy, data: () => passingData(after, passed) } };
}

/** The statements behind the one that fills the stage. */
function staged(statements: readonly WriteStatement[]): readonly WriteStatement[] {
  return statements.slice(statements.findIndex(({ copy }) => copy !== undefined) + 1);
}
