import { storedTargets } from '../../cache/feed/row.ts';
import type { SourceName } from '../../core/names.ts';
import { Session } from '../session.ts';

/** The targets whose feeds a source database knows. */
export async function targetsIn(url: string): Promise<readonly SourceName[]> {
  const session = await Session.open({ url, applicationName: 'nearjoin supervisor', answerWithinMs: 10_000 });
  try {
    return await storedTargets(session.client);
  } finally {
    await session.close();
  }
}
