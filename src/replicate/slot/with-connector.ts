import type { Connector } from '../../../connectors/connector.ts';
import { LEAVE_MS } from '../session.ts';

/**
 * Does the work with a connector, and closes it then. Once the signal has aborted, what is under way may take a moment to end;
 * a target that does not answer by then is not waited for.
 */
export async function withConnector<T>(
  connector: Connector,
  signal: AbortSignal,
  work: (connector: Connector) => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const begin = (): void => {
    timer = setTimeout(() => void connector.close(), LEAVE_MS);
  };
  signal.addEventListener('abort', begin);
  if (signal.aborted) begin();
  try {
    return await work(connector);
  } finally {
    signal.removeEventListener('abort', begin);
    clearTimeout(timer);
    await connector.close();
  }
}
