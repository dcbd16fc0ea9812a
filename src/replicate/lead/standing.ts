import { type Connector, ConnectorError } from '../../../connectors/connector.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import type { StopSignal } from '../../core/waiting/stop-signal.ts';
import { REFUSED_MS } from '../feed-options.ts';

/** So often a target that could not do something is looked at for whether that may have changed. */
const STANDING_MS = 1_000;

/** Waits until what made the target unfit may have been put right, or the signal aborts. */
export async function untilPutRight(
  { connector, clock }: { readonly connector: Connector; readonly clock: Clock },
  until: StopSignal,
): Promise<void> {
  const before = await standingOf(connector);
  while (!until.aborted) {
    await clock.delay(before === null ? REFUSED_MS : STANDING_MS, until);
    if (until.aborted || (await standingOf(connector)) !== before) return;
  }
}

/** Null while the target cannot be asked. */
async function standingOf(connector: Connector): Promise<string | null> {
  try {
    return await connector.standing();
  } catch (error) {
    if (error instanceof ConnectorError) return null;
    throw error;
  }
}
