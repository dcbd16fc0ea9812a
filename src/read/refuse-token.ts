import { NearjoinError } from '../core/errors.ts';
import { contains, type HistoryName, isComparable, isSuccessor, type Token } from '../core/token.ts';
import type { Lane } from './lanes.ts';

type Asked = Pick<Lane, 'policy' | 'use'>;

/** The target has the last word: a token it has not reached, or of another history, names nothing there is. */
export function refuseLost({ policy, use }: Asked, reached: Token | null): void {
  const { token } = policy;
  if (token === null || reached === null || contains(reached, token)) return;
  throw isComparable(reached, token)
    ? unknownPosition(`the token's position on "${use.target}" has not been written there`)
    : unknownPosition(`the token's position on "${use.target}" belongs to another history than it has now`);
}

/** No waiting helps a token of a history that has ended; one of a history the cache has not heard of may be right. */
export function refuseOutlived({ policy, use }: Asked, history: HistoryName): void {
  const asked = policy.token?.history ?? null;
  if (asked === null || !isSuccessor(history, asked)) return;
  throw unknownPosition(`the token's position on "${use.target}" belongs to a history that a failover ended`);
}

function unknownPosition(message: string): NearjoinError {
  return new NearjoinError('position-unknown', message);
}
