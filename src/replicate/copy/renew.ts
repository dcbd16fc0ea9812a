import { inCache, relationName } from '../../cache/names.ts';
import type { Queryable } from '../../cache/queryable.ts';
import { overlayPages, overlayRows } from '../../cache/rows/overlay-size.ts';
import { dropTableSql } from '../../cache/table/ddl.ts';
import { loadStoredTable, type StoredTable, updateStoredTable } from '../../cache/table/stored.ts';
import { quoteIdentifier } from '../../core/postgres/quote-identifier.ts';
import { type DiscardContext, untilDone } from '../table/discard.ts';
import { nextGeneration } from '../table/generations.ts';
import type { FeedAction } from '../table/reconcile.ts';
import { cacheSink } from '../write/sink.ts';
import { mergeAll } from './merge.ts';

type Renewal = FeedAction & { readonly kind: 'renew' };

/**
 * Hides a copy because parts of it may be wrong. It gets a new name, so that statements made before do not find it. It still
 * takes changes, so the parts that are right stay right.
 */
export async function renew(
  action: Renewal,
  { exclusively, sinks, clock }: DiscardContext,
  signal: AbortSignal,
): Promise<void> {
  await exclusively(async (client) => {
    const stored = await loadStoredTable(client, action.stored);
    if (stored.state.kind === 'ready')
      await untilDone(client, [stored.relation], () => hide(client, stored), { clock, signal });
    else await foldBack(client, stored);
    await updateStoredTable(client, stored, {
      state: 'copying',
      reason: action.reason,
      overlay: null,
      copied_at: null,
      shape: JSON.stringify(action.shape),
      // A key that was to be read for a partition which has changed again is still: it lies in another by now, or in none.
      piece_cursor: JSON.stringify({ parts: { ...stored.parts, ...action.parts } }),
    });
    sinks.remove(stored);
    sinks.set(cacheSink(await loadStoredTable(client, stored)));
  });
}

async function hide(client: Queryable, stored: StoredTable): Promise<void> {
  const generation = await nextGeneration(client);
  const relation = relationName(stored.target, stored.table, generation);
  await client.query(`alter table ${inCache(stored.relation)} rename to ${quoteIdentifier(relation)}`);
  await updateStoredTable(client, stored, { relation, generation });
}

/**
 * Merges a copy's overlay into it: what is wrong in some parts will be read again, and the rest is as if there had been no
 * overlay. If the target would have to be asked for rows first, the whole table is copied again.
 */
async function foldBack(client: Queryable, stored: StoredTable): Promise<void> {
  const { overlay: relation } = stored;
  if (relation === null) return;
  const overlay = { shape: stored, relation, isCopyComplete: false };
  if ((await overlayPages(client, relation)) === null) return;
  await mergeAll(client, stored, overlay);
  if ((await overlayRows(client, relation)) > 0) await updateStoredTable(client, stored, { resync: true });
  await client.query(dropTableSql(relation));
}
