import type { Notification } from 'pg';
import { isRecord } from '../../core/json/is-record.ts';
import { jsonIn } from '../../core/json/json-in.ts';
import type { SourceName } from '../../core/names.ts';

/** A reader's wish concerning probes, for a while. It travels as a notification in the source database. */
export interface ProbeWish {
  readonly target: SourceName;
  /** The reader is in another process than the feed's leader: it sees only the watermarks that are stored, so probes must be stored too. */
  readonly stored: boolean;
  /** Probes are to come at short intervals. */
  readonly hurried: boolean;
}

/** Other versions of nearjoin listen to it, so it keeps its name. */
const CHANNEL = 'nearjoin_proof';

/** Begins to listen for the wishes of all readers of this source database. */
export const LISTEN_WISHES_SQL = `listen ${CHANNEL}`;

/** Tells a wish to whoever leads the feed, in whatever process. Parameter: the wish as text. */
export const WISH_SQL = `select pg_notify('${CHANNEL}', $1)`;

/** A wish as it travels. */
export function wishText({ target, stored, hurried }: ProbeWish): string {
  return JSON.stringify({ target, stored, hurried });
}

/** Reads what came over a listening session; null when it is no wish: anybody may notify. */
export function readWish({ channel, payload }: Pick<Notification, 'channel' | 'payload'>): ProbeWish | null {
  if (channel !== CHANNEL || payload === undefined) return null;
  const said = jsonIn(payload);
  const { target, stored, hurried } = isRecord(said) ? said : {};
  if (typeof target !== 'string' || typeof stored !== 'boolean') return null;
  // Versions that do not say so want it.
  return { target, stored, hurried: hurried !== false };
}
