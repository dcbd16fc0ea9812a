import type { Client } from 'pg';
import { LISTEN_SQL, type ProofWish, readWish } from '../../cache/feed/proof-wish.ts';
import { LISTEN_RESUMED_SQL, readResumed } from '../../cache/feed/requests.ts';
import type { SourceName } from '../../core/names.ts';

/** What a feed's leader does about what others say of it in the source database. */
export interface Ears {
  readonly wished: (wish: ProofWish) => void;
  readonly resumed: () => void;
}

/** Hears what readers and administrators say of a feed for as long as the session lasts. */
export async function listen(client: Client, target: SourceName, { wished, resumed }: Ears): Promise<void> {
  client.on('notification', (message) => {
    const wish = readWish(message);
    if (wish?.target === target) wished(wish);
    if (readResumed(message) === target) resumed();
  });
  await client.query(LISTEN_SQL);
  await client.query(LISTEN_RESUMED_SQL);
}
