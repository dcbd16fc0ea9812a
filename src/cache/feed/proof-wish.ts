import type { SourceName } from '../../core/names.ts';

/** A reader's wish that freshness be proved at short intervals for a while; it says so in the source database. */
export interface ProofWish {
  readonly target: SourceName;
  /** The reader hears of no proofs in memory: they have to be written beside the rows. */
  readonly stored: boolean;
}

const CHANNEL = 'nearjoin_proof';

/** Begins to hear the wishes of all readers of this source database. */
export const LISTEN_SQL = `listen ${CHANNEL}`;

/** Tells a wish to whoever leads the feed, in whatever process. Parameter: the wish as text. */
export const WISH_SQL = `select pg_notify('${CHANNEL}', $1)`;

/** A wish as it travels. */
export function wishText({ target, stored }: ProofWish): string {
  return JSON.stringify({ target, stored });
}

/** Reads what came over a listening session; null when it is no wish: anybody may notify. */
export function readWish(message: {
  readonly channel: string;
  readonly payload?: string | undefined;
}): ProofWish | null {
  if (message.channel !== CHANNEL || message.payload === undefined) return null;
  try {
    const said: unknown = JSON.parse(message.payload);
    if (typeof said !== 'object' || said === null || !('target' in said) || !('stored' in said)) return null;
    const { target, stored } = said;
    return typeof target === 'string' && typeof stored === 'boolean' ? { target, stored } : null;
  } catch {
    return null; // no JSON, so nothing that a reader of ours has sent
  }
}
