import pg from 'pg';
import type { FeedLease } from '../../cache/feed/row.ts';
import type { Queryable } from '../../cache/queryable.ts';
import { statementResults } from '../../core/postgres/statement-results.ts';

/** Opens a transaction that a lost lease cannot commit, with its first statements: all in one round trip. */
export async function begin(
  client: pg.Client,
  { target, epoch }: FeedLease,
  ...first: readonly string[]
): Promise<void> {
  const fence = `select nearjoin.fence(${pg.escapeLiteral(target)}, ${epoch})`;
  await client.query(['begin', fence, ...first].join('; '));
}

/** Runs the last statements of a transaction in one round trip; throws unless it was committed. */
export async function commit(client: Queryable, ...last: readonly string[]): Promise<void> {
  const results = statementResults(await client.query([...last, 'commit'].join('; ')));
  const { command } = results.at(-1) as { command?: string };
  if (command !== 'COMMIT') throw new Error('the source rolled the copy back');
}
