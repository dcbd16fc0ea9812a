import type pg from 'pg';
import { isRefusal, rowOf } from '../../cache/queryable.ts';
import { applicationName, Session } from '../session.ts';
import type { FeedScene } from './feed-scene.ts';

const APPLY_SETTINGS = {
  // Safe because the target is told a position only when it is durable here, and rows and position commit together.
  synchronous_commit: 'off',
  // Arrays have no statistics: whatever the planner guesses, every row is looked up by key.
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_seqscan: 'off',
  client_min_messages: 'warning',
  plan_cache_mode: 'force_generic_plan',
  idle_in_transaction_session_timeout: '60000',
};

/** A session that writes a feed's changes. */
export function openApplySession(
  { options, leader }: Pick<FeedScene, 'options' | 'leader'>,
  signal: AbortSignal,
): Promise<Session> {
  const session = {
    url: options.sourceUrl,
    applicationName: applicationName(leader),
    pipeline: true,
    settings: APPLY_SETTINGS,
  };
  return Session.open(session, signal);
}

/** Whether rows can be staged in a session: by temporary tables, which a right or somebody's event trigger may refuse, and MERGE. */
export async function canStage(client: pg.Client): Promise<boolean> {
  const { canMerge } = await rowOf<{ canMerge: boolean }>(
    client,
    `select current_setting('server_version_num')::int >= 150000 as "canMerge"`,
  );
  if (!canMerge) return false;
  try {
    await client.query('begin; create temporary table stage (); rollback');
    return true;
  } catch (error) {
    await client.query('rollback');
    if (isRefusal(error)) return false;
    throw error;
  }
}
