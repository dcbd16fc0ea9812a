import type { Config } from './config.ts';
import { NearjoinError } from './core/errors.ts';
import { orStopped } from './core/waiting/or-stopped.ts';
import type { Log } from './ops/log.ts';
import { ProbeBoard } from './read/probe-board.ts';
import { listen } from './serve/api-process.ts';
import { Closing } from './serve/closing.ts';
import { openControl } from './serve/control.ts';
import { Leaving } from './serve/leaving.ts';
import { startReplicator } from './serve/replicator.ts';

/** A server that answers at `url` until it is stopped. */
export interface RunningServer {
  readonly url: string;
  /** Lets load balancers send clients elsewhere and requests under way end, then closes everything; takes a bounded time. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts every role of the configuration in this process. Throws `start-failed` when the metadata database or the port
 * cannot be had; a source or target that is down only shows in the status. Asked to stop before it serves, it waits for no
 * database that says nothing: it closes what it has opened and throws, and what is under way then ends with the process.
 */
export async function startServer(
  config: Config,
  log: Log,
  stopping: AbortSignal = new AbortController().signal,
): Promise<RunningServer> {
  const { metadataDatabaseUrl } = config;
  if (metadataDatabaseUrl === null)
    throw new NearjoinError('start-failed', 'NEARJOIN_METADATA_DATABASE_URL must be set');
  const closing = new Closing(log, config.shutdownTimeoutMs);
  const leaving = new Leaving();
  try {
    const control = await orStopped(
      openControl({ ...config, metadataDatabaseUrl, stopping }, log, closing),
      stopping,
    );
    const probes = new ProbeBoard();
    if (config.roles.includes('replicator')) {
      const { watch } = control;
      await orStopped(
        startReplicator({ config, metadataDatabaseUrl, probes, watch, log, closing }),
        stopping,
      );
    }
    const url = await orStopped(listen({ config, control, probes, log, closing, leaving }), stopping);
    const stop = async (): Promise<void> => {
      await leaving.begin(config.shutdownDelayMs);
      await closing.closeAll();
    };
    return { url, stop };
  } catch (error) {
    await closing.closeAll();
    throw error;
  }
}
