import { setImmediate } from 'node:timers/promises';
import type { Config } from '../config.ts';
import type { ServingParts } from '../http/api.ts';
import { loggedError } from '../http/error-reply.ts';
import { StatementOutdated } from '../read/error-mapping.ts';
import { ReadLane } from '../read/read-lane.ts';
import { LiveQueries } from '../subscribe/live-queries.ts';
import type { ApiInput } from './api-input.ts';
import { readSettings } from './read-settings.ts';

/** Bytes on their way to a client past which it counts as behind. */
const PENDING_BYTES = 1024 * 1024;
const SILENT_MS = 60_000;

/** Tokens, `Expires` headers and the ends of sessions speak of wall-clock time. */
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

/** Live queries have sessions of their own: however many there are, no query waits behind them. */
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
          // With a newer catalog its subscribers are planned anew, and hear nothing of this.
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
