import type { IncomingMessage } from 'node:http';
import { RefusedError } from '../error-reply.ts';

/** Node's own limit (`server.maxHeadersCount`), of names and values. */
const MOST_PARTS = 2000;

/**
 * Why a request is refused whose headers Node may have cut, null where it has not: what comes behind the first thousand is
 * left out without a word, as the role, perhaps, that a proxy adds to its secret.
 */
export function cutHeaders({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): RefusedError | null {
  if (rawHeaders.length < MOST_PARTS) return null;
  return new RefusedError(431, 'bad-request', 'the request has too many headers');
}
