import { setImmediate } from 'node:timers/promises';
import type { Config } from '../config.ts';
import type { ServingParts } from '../http/api.ts';
import { loggedError } from '../http/error-reply.ts';
import { StatementOutdated } from '../read/error-mapping.ts';
import { ReadLane } from '../read/read-lane.ts';
import { LiveQueries } from '../subscribe/live-queries.ts';
import type { ApiInput } from './api-input.ts';
import { readSettings } from './read-settings.ts';

/** A client with more bytes on their way to it counts as behind. */
const PENDING_BYTES = 1024 * 1024;
const SILENT_MS = 60_000;

/** The wall clock, by which JWTs, `Expires` headers and sessions end. */
export function wallClockMs(): number {
  return Date.now();
}

/** What the WebSockets of the process are made of. */
export function socketParts(input: ApiInput): ServingParts['sockets'] {
  const { config, control } = input;
  return {
    live: openLiveQueries(input),
    nowMs: wallClockMs,
    keepAliveMs: config.websocketKeepaliveS * 1000,
    closesOnMetadataChange: config.closeWebsocketsOnMetadataChange,
    catalogs: (signal) => control.watch.changes(signal),
    limits: {
      initMs: config.websocketInitTimeoutS * 1000,
      operations: config.websocketOperationLimit,
      requestMs: config.requestTimeoutMs,
      pendingBytes: PENDING_BYTES,
      silentMs: SILENT_MS,
    },
  };
}

/** Live queries have database sessions of their own, so that no query ever waits behind them. */
function openLiveQueries({ config, control, probes, log, closing }: ApiInput): LiveQueries {
  const size = config.subscriptionPoolSize;
  const lane = new ReadLane({
    watch: control.watch,
    probes,
    settings: { ...readSettings(config), poolSize: size, livePoolSize: size },
    log,
  });
  const live = new LiveQueries(
    {
      run: (request) => {
        const { generation } = control.watch.current().catalog;
        return lane.run(request).catch(async (error: unknown) => {
          // If there is a newer catalog, the subscribers are planned anew by it and this failure is not told to them.
          if (error instanceof StatementOutdated) await control.watch.renewed(error.databases, generation);
          await setImmediate();
          // Once for all subscribers: each of them is told without the cause.
          throw loggedError(error, log, 'live query failed');
        });
      },
      appliedCommits: (source) => lane.appliedCommits(source),
    },
    liveSettings(config),
  );
  closing.add('subscription lane', () => lane.close());
  closing.add('subscriptions', () => live.close());
  return live;
}

function liveSettings(config: Config): ConstructorParameters<typeof LiveQueries>[1] {
  return {
    refetchMs: config.liveQueriesRefetchMs,
    atOnce: config.subscriptionPoolSize,
    runMs: config.requestTimeoutMs,
  };
}
