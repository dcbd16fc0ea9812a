import type { Connector } from '../../../connectors/connector.ts';
import { afterAbort, LEAVE_MS } from '../../core/waiting/after-abort.ts';

/**
 * Does the work with a connector, and closes it then. Once the signal has aborted, what is under way may take a moment to end;
 * a target that does not answer by then is not waited for.
 */
export async function withConnector<T>(
  connector: Connector,
  signal: AbortSignal,
  work: (connector: Connector) => Promise<T>,
): Promise<T> {
  const callOff = afterAbort(signal, LEAVE_MS, () => void connector.close());
  try {
    return await work(connector);
  } finally {
    callOff();
    await connector.close();
  }
}
