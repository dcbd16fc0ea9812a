import { NearjoinError } from '../core/errors.ts';
import type { SourceName } from '../core/names.ts';
import { contains, type HistoryName, isComparable, isSuccessor, type Token } from '../core/position/token.ts';
import { inOrder } from './in-order.ts';
import type { Lane } from './lanes.ts';

type Asked = Pick<Lane, 'policy' | 'use'>;

/** The target has the last word: a token it has not reached, or of another history, names nothing there is. */
export function refuseLost({ policy, use }: Asked, reached: Token | null): void {
  if (policy.token !== null && reached !== null) refuseBeyond(reached, policy.token, use.target);
}

function refuseBeyond(reached: Token, token: Token, target: SourceName): void {
  if (contains(reached, token)) return;
  throw isComparable(reached, token)
    ? unknownPosition(`the token's position on "${target}" has not been written there`)
    : unknownPosition(`the token's position on "${target}" belongs to another history than it has now`);
}

/** What root fields read of their own databases is all there is by now; a token may ask for more there too. */
export async function refuseBeyondRoots(
  sources: readonly SourceName[],
  tokens: ReadonlyMap<SourceName, Token>,
  reachedIn: (source: SourceName) => Promise<Token>,
): Promise<void> {
  const asked = sources.map(async (source) => {
    const token = tokens.get(source);
    if (token !== undefined) refuseBeyond(await reachedIn(source), token, source);
  });
  await inOrder(asked);
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
