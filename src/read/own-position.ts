import type { SourceName } from '../core/names.ts';
import type { Token } from '../core/position/token.ts';
import type { StopSignal } from '../core/waiting/stop-signal.ts';
import type { Databases } from './databases.ts';
import { readError } from './error-mapping.ts';
import { ASK_POSITION, positionIn } from './live/sessions.ts';

/** The newest position of a database; what is read of it afterwards contains everything up to there. */
export async function positionOf(
  databases: Databases,
  source: SourceName,
  signal: StopSignal,
): Promise<Token> {
  try {
    const options = { signal, prepared: true };
    const { answers, history } = await databases.target(source).answers([ASK_POSITION], options);
    return { position: positionIn(answers[0]?.[0]?.[0]), history };
  } catch (error) {
    signal.throwIfAborted();
    throw readError(error, source, 'source');
  }
}
