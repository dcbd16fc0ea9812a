import { inCache } from '../../cache/names.ts';
import { type Queryable, rowOf } from '../../cache/queryable.ts';
import { answer, askSql, mergeSql, type Overlay, type OverlayPages } from '../../cache/rows/overlay.ts';
import { overlayPages, overlayRows } from '../../cache/rows/overlay-size.ts';
import { keyPositions } from '../../cache/rows/row-source.ts';
import { dropTableSql } from '../../cache/table/ddl.ts';
import {
  isTruncated,
  loadStoredTable,
  type StoredTable,
  updateStoredTable,
} from '../../cache/table/stored.ts';
import { must } from '../../core/assert.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import { cacheSink, overlaySink } from '../write/sink.ts';
import { withSnapshot } from './waiting.ts';
import { CopySpoilt, type CopyWork } from './work.ts';

/**
 * Changes that come during a merge are merged in further rounds, until few are left; after so many rounds the rest is merged
 * in one go.
 */
const MOST_ROUNDS = 5;
const FEW_ROWS = 10_000;
const KEYS_A_ROUND = 10_000;

/** Brings a filled copy to the state of the watermark and makes it ready. */
export async function mergeCopy(stored: StoredTable, work: CopyWork): Promise<void> {
  const { applied, stop, onStep } = work;
  await applied(must(stored.copiedAt, 'the position of a copy'), stop);
  stop.throwIfAborted();
  await onStep?.('copy:caught-up');
  const relation = must(stored.overlay, 'an overlay');
  const overlay = { shape: stored, relation, isCopyComplete: true };
  let outcome = await mergeIfLittle(stored, overlay, work);
  if (outcome === 'much is left') {
    await drain(stored, overlay, work);
    outcome = await work.exclusively((client) => mergeRest(client, stored, overlay, work));
  }
  while (outcome !== 'ready') {
    await ask(overlay, outcome, stored, work);
    outcome = await work.exclusively((client) => mergeRest(client, stored, overlay, work));
  }
  await onStep?.('copy:ready');
}

/** From here on the copy is complete, and only the overlay is to be merged. Where that is small it is done at once. */
function mergeIfLittle(
  stored: StoredTable,
  overlay: Overlay,
  work: CopyWork,
): Promise<'much is left' | 'ready' | Question> {
  return work.exclusively(async (client) => {
    const pages = await overlayPages(client, overlay.relation);
    if (pages === null) return await makeReady(client, stored, work);
    await updateStoredTable(client, stored, { reason: null });
    work.sinks.set(overlaySink({ ...stored, overlay: overlay.relation }, true));
    return pages > work.limits.mergePages ? 'much is left' : await mergeRest(client, stored, overlay, work);
  });
}

/** Merges a large overlay a part at a time, so that the stream never has to wait for long. */
async function drain(stored: StoredTable, overlay: Overlay, work: CopyWork): Promise<void> {
  const { exclusively, stop, onStep } = work;
  const step = work.limits.mergePages;
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const pages = (await exclusively((client) => overlayPages(client, overlay.relation))) ?? 0;
    if (pages <= step) return;
    for (let from = 0; from < pages; from += step) {
      stop.throwIfAborted();
      await exclusively((client) => merge(client, stored, overlay, { from, to: from + step }));
    }
    await onStep?.('pieces:drained');
    const rows = await exclusively((client) => overlayRows(client, overlay.relation));
    if (rows <= FEW_ROWS) return;
  }
}

/** Merges all rows of an overlay, except those that the target must be asked for. */
export function mergeAll(client: Queryable, stored: StoredTable, overlay: Overlay): Promise<void> {
  return merge(client, stored, overlay, null);
}

async function merge(
  client: Queryable,
  stored: StoredTable,
  overlay: Overlay,
  pages: OverlayPages | null,
): Promise<void> {
  if (await isTruncated(client, stored)) {
    await client.query(`truncate ${inCache(stored.relation)}`);
    await updateStoredTable(client, stored, { overlay_truncated: false });
  }
  await client.query(mergeSql(overlay, pages));
}

/** Keys of rows with values that neither the stream nor the copy has, and the position at which they were found. */
interface Question {
  readonly keys: readonly (readonly string[])[];
  readonly at: Lsn;
}

/** Merges all that is left and makes the table ready, unless the target must be asked first. */
async function mergeRest(
  client: Queryable,
  stored: StoredTable,
  overlay: Overlay,
  work: CopyWork,
): Promise<'ready' | Question> {
  work.stop.throwIfAborted();
  await mergeAll(client, stored, overlay);
  await client.query(`update ${inCache(overlay.relation)} set asked = false where asked`);
  const { keys } = await rowOf<Pick<Question, 'keys'>>(client, askSql(overlay), [KEYS_A_ROUND]);
  if (keys.length > 0) return { keys, at: work.progress.applied };
  await client.query(dropTableSql(overlay.relation));
  return makeReady(client, stored, work);
}

async function makeReady(
  client: Queryable,
  stored: StoredTable,
  { sinks, stop, onStep }: CopyWork,
): Promise<'ready'> {
  stop.throwIfAborted();
  const fields = { state: 'ready', reason: null, overlay: null, piece_cursor: null };
  const [, ready] = await Promise.all([
    updateStoredTable(client, stored, fields),
    loadStoredTable(client, stored),
  ]);
  await onStep?.('copy:merged-uncommitted');
  sinks.set(cacheSink(ready));
  return 'ready';
}

/**
 * Asks the target for whole rows. A value that was not sent is the same in every snapshot from the beginning of the
 * overlay on, as long as the row has the key it is asked by: what was rekeyed since is left for another round.
 */
async function ask(
  overlay: Overlay,
  { keys, at }: Question,
  stored: StoredTable,
  work: CopyWork,
): Promise<void> {
  const { applied, exclusively, stop, onStep } = work;
  await onStep?.('ask:marked');
  const names = stored.columns.map(({ name }) => name);
  const key = keyPositions(stored).map((position) => must(names[position], 'a key column'));
  const found = await withSnapshot({ stored, since: at }, work, async (snapshot) => {
    const rows = await snapshot.rows({ table: stored.table, columns: names }, key, keys);
    return { rows, at: snapshot.at };
  });
  await applied(found.at, stop);
  await exclusively(async (client) => {
    stop.throwIfAborted();
    if (found.rows.length > 0) {
      for (const { text, values } of answer(overlay, found.rows)) await client.query(text, values);
    }
    const unanswered = `asked and missing <> '{}'`;
    const { count } = await rowOf<{ count: number }>(
      client,
      `select count(*)::int as count from ${inCache(overlay.relation)} where ${unanswered}`,
    );
    if (count > 0) throw new CopySpoilt(`${count} changed rows were neither in the copy nor on the target`);
  });
  await onStep?.('ask:answered');
}
