import type { Client } from 'pg';
import { LISTEN_WISHES_SQL, type ProbeWish, readWish } from '../../cache/feed/probe-wish.ts';
import { LISTEN_RESUMED_SQL, readResumed } from '../../cache/feed/requests.ts';
import type { SourceName } from '../../core/names.ts';

/** What a feed's leader does about notifications in the source database. */
export interface Listener {
  readonly wished: (wish: ProbeWish) => void;
  readonly resumed: () => void;
}

/** Listens for readers' wishes and for `resume` of a feed, as long as the session lasts. */
export async function listen(
  client: Client,
  target: SourceName,
  { wished, resumed }: Listener,
): Promise<void> {
  client.on('notification', (message) => {
    const wish = readWish(message);
    if (wish?.target === target) wished(wish);
    if (readResumed(message) === target) resumed();
  });
  await client.query(LISTEN_WISHES_SQL);
  await client.query(LISTEN_RESUMED_SQL);
}
