import type { FastifyInstance } from 'fastify';
import type { Log } from '../ops/log.ts';

const SWEEP_MS = 50;

/** Refuses new connections at once; requests under way get the time to end, then their connections are cut. */
export async function closeServer(app: FastifyInstance, timeoutMs: number, log: Log): Promise<void> {
  const timer = setTimeout(() => cut(app, log), timeoutMs);
  // A connection whose last request ends after the close began would otherwise stay open for its client's next request.
  const sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
    clearInterval(sweep);
  }
}

/** What is open still has a request under way: idle connections are swept, and WebSockets are gone by then. */
function cut({ server }: FastifyInstance, log: Log): void {
  server.getConnections((_error, connections) => {
    log.warn({ connections }, 'requests that took longer than NEARJOIN_SHUTDOWN_TIMEOUT_MS were cut off');
    server.closeAllConnections();
  });
}
