import { saveLastError } from '../../cache/feed/row.ts';
import { inCache } from '../../cache/names.ts';
import { type Queryable, rowsOf } from '../../cache/queryable.ts';
import { createIndexSql } from '../../cache/table/ddl.ts';
import { printTable, type TableRef } from '../../core/names.ts';
import type { IndexColumn } from '../../core/rows/index-column.ts';
import type { FeedOptions } from '../feed-options.ts';
import { say } from '../say.ts';
import { applicationName, withSession } from '../session.ts';
import type { FeedScene } from './feed-scene.ts';

interface WantedIndex {
  readonly table: TableRef;
  readonly relation: string;
  readonly columns: readonly IndexColumn[];
}

/** Who builds it, and where failures are told. */
interface Builder extends Pick<FeedScene, 'leader' | 'lease' | 'control'> {
  readonly options: Pick<FeedOptions, 'sourceUrl' | 'log'>;
}

/**
 * Adds an index to a table that is in use, without stopping its writes; a failure is told, and gives false. It may take hours, and
 * waits for every transaction that is open on the source, so the signal ends it.
 */
export async function buildIndex(
  { options, leader, lease, control }: Builder,
  { table, relation, columns }: WantedIndex,
  stop: AbortSignal,
): Promise<boolean> {
  const session = { url: options.sourceUrl, applicationName: applicationName(leader) };
  try {
    await withSession(session, stop, async (client) => {
      await dropUnfinished(client, relation);
      await client.query(
        createIndexSql(relation, columns).replace('create index', 'create index concurrently'),
      );
    });
    return true;
  } catch (error) {
    if (stop.aborted) return true;
    options.log.warn({ relation, error: say(error) }, 'an index could not be built');
    await saveLastError(control, lease, `${printTable(table)}: an index could not be built: ${say(error)}`);
    return false;
  }
}

async function dropUnfinished(client: Queryable, relation: string): Promise<void> {
  const unfinished = await rowsOf<{ name: string }>(
    client,
    `select indexrelid::regclass::text as name from pg_index where indrelid = $1::regclass and not indisvalid`,
    [inCache(relation)],
  );
  for (const { name } of unfinished) await client.query(`drop index concurrently ${name}`);
}
