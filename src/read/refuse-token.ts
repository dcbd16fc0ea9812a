import { NearjoinError } from '../core/errors.ts';
import type { SourceName } from '../core/names.ts';
import { contains, type HistoryName, isComparable, isSuccessor, type Token } from '../core/position/token.ts';
import type { StopSignal } from '../core/waiting/stop-signal.ts';
import type { Databases } from './databases.ts';
import { readError } from './error-mapping.ts';
import { inOrder } from './in-order.ts';
import { ASK_POSITION, positionIn } from './live/sessions.ts';
import type { ReadRequest } from './read-request.ts';
import type { TargetRead } from './target-read.ts';

type Asked = Pick<TargetRead, 'policy' | 'use'>;

/** Refuses a token that the target itself has not reached, or that is of another history: such a commit does not exist. */
export function refuseLost({ policy, use }: Asked, reached: Token | null): void {
  if (policy.token !== null && reached !== null) refuseBeyond(reached, policy.token, use.target);
}

function refuseBeyond(reached: Token, token: Token, target: SourceName): void {
  if (contains(reached, token)) return;
  throw isComparable(reached, token)
    ? unknownPosition(`the token's position on "${target}" has not been written there`)
    : unknownPosition(`the token's position on "${target}" belongs to another history than it has now`);
}

/** The same for the databases of root fields, which are read directly: a token may name a commit that they do not have. */
export async function refuseBeyondRoots(
  {
    compiled: { groups },
    freshness: { tokens },
    signal,
  }: Pick<ReadRequest, 'compiled' | 'freshness' | 'signal'>,
  databases: Databases,
): Promise<void> {
  const asked = groups.map(async ({ source }) => {
    const token = tokens.get(source);
    if (token !== undefined) refuseBeyond(await positionOf(databases, source, signal), token, source);
  });
  await inOrder(asked);
}

/** The newest position of a database; what is read of it afterwards contains everything up to there. */
async function positionOf(databases: Databases, source: SourceName, signal: StopSignal): Promise<Token> {
  try {
    const options = { signal, prepared: true };
    const { answers, history } = await databases.target(source).answers([ASK_POSITION], options);
    return { position: positionIn(answers[0]?.[0]?.[0]), history };
  } catch (error) {
    signal.throwIfAborted();
    throw readError(error, source, 'source');
  }
}

/** Refuses a token of a history that a failover ended: waiting does not help. One of a newer history than the cache's may be right. */
export function refuseOutlived({ policy, use }: Asked, history: HistoryName): void {
  const asked = policy.token?.history ?? null;
  if (asked === null || !isSuccessor(history, asked)) return;
  throw unknownPosition(`the token's position on "${use.target}" belongs to a history that a failover ended`);
}

function unknownPosition(message: string): NearjoinError {
  return new NearjoinError('position-unknown', message);
}
