import { saveLastError } from '../../cache/feed/row.ts';
import { inCache } from '../../cache/names.ts';
import { rowsOf } from '../../cache/queryable.ts';
import { createIndexSql } from '../../cache/table/ddl.ts';
import { printTable, type TableRef } from '../../core/names.ts';
import type { IndexColumn } from '../../core/rows/index-column.ts';
import { say } from '../say.ts';
import { applicationName, Session } from '../session.ts';
import type { FeedScene } from './feed-scene.ts';

interface WantedIndex {
  readonly table: TableRef;
  readonly relation: string;
  readonly columns: readonly IndexColumn[];
}

/**
 * Adds an index to a table that is in use, without stopping its writes; a failure is told, and gives false. It may take hours, and
 * waits for every transaction that is open on the source, so the signal ends it.
 */
export async function buildIndex(
  { options, leader, lease, control }: FeedScene,
  { table, relation, columns }: WantedIndex,
  stop: AbortSignal,
): Promise<boolean> {
  const name = applicationName(leader);
  const session = await Session.open({ url: options.sourceUrl, applicationName: name }, stop);
  session.cutAfter(stop, 0);
  try {
    await dropUnfinished(session, relation);
    await session.client.query(
      createIndexSql(relation, columns).replace('create index', 'create index concurrently'),
    );
    return true;
  } catch (error) {
    if (stop.aborted) return true;
    options.log.warn({ relation, error: say(error) }, 'an index could not be built');
    await saveLastError(control, lease, `${printTable(table)}: an index could not be built: ${say(error)}`);
    return false;
  } finally {
    await session.close();
  }
}

async function dropUnfinished({ client }: Session, relation: string): Promise<void> {
  const unfinished = await rowsOf<{ name: string }>(
    client,
    `select indexrelid::regclass::text as name from pg_index where indrelid = $1::regclass and not indisvalid`,
    [inCache(relation)],
  );
  for (const { name } of unfinished) await client.query(`drop index concurrently ${name}`);
}
