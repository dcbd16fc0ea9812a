import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { kafkaConnector } from '../connectors/kafka/connector.ts';
import type { KafkaCluster } from '../connectors/kafka/settings.ts';
import { postgresConnector } from '../connectors/postgres/connector.ts';
import { openCatalogWatch } from './catalog/watch.ts';
import { must } from './core/assert.ts';
import { messageOf } from './core/errors.ts';
import type { SourceName } from './core/names.ts';
import type { Probe } from './core/position/watermark.ts';
import { LEAVE_MS } from './core/waiting/after-abort.ts';
import { systemClock } from './core/waiting/clock.ts';
import { openMetadataStore } from './metadata/store.ts';
import { createLog, type Log } from './ops/log.ts';
import { type BackgroundVerification, DEFAULT_LIMITS, type FeedLimits } from './replicate/feed-options.ts';
import { Supervisor } from './replicate/supervisor.ts';

/** What the replicator role is started with; plain values, so that they can be given to a worker thread. */
export interface ReplicatorSettings {
  readonly metadataDatabaseUrl: string;
  /** Where `from_env` addresses are looked up. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly maxRetainedWalMb: number;
  readonly kafka: KafkaCluster;
  readonly removalDelayMs: number;
  readonly probeIntervalMs: number;
  readonly verify: BackgroundVerification | null;
  /** Null is as fast as it goes. */
  readonly copyMaxMbPerS: number | null;
}

const MB = 1_048_576;

/** A running replicator. */
export interface Replicator {
  /** Looks again at these databases, which have changed. */
  look(sources: readonly SourceName[]): Promise<void>;
  stop(): Promise<void>;
}

/** What a worker thread tells the thread that started it. */
export type WorkerMessage =
  | {
      readonly kind: 'probe';
      readonly source: SourceName;
      readonly target: SourceName;
      readonly probe: Probe | null;
    }
  /** A line of the log, complete: one thread alone writes to the process' output. */
  | { readonly kind: 'log'; readonly line: string }
  | { readonly kind: 'started' }
  | { readonly kind: 'failed'; readonly message: string };

/** What the thread that started it may tell a worker thread. */
export type WorkerRequest =
  | { readonly kind: 'stop' }
  | { readonly kind: 'changed'; readonly sources: readonly SourceName[] };

interface WorkerStart {
  readonly role: 'nearjoin replicator';
  readonly settings: ReplicatorSettings;
  readonly logLevel: Parameters<typeof createLog>[0];
}

/** What `new Worker(…, { workerData })` must be given so that this file runs the replicator in that thread. */
export function workerStart(settings: ReplicatorSettings, logLevel: WorkerStart['logLevel']): WorkerStart {
  return { role: 'nearjoin replicator', settings, logLevel };
}

/**
 * Runs every feed the metadata wants, in this thread, until stopped; fails when the metadata database cannot be used. With
 * `isTold`, somebody else watches the databases and calls `look` when they change.
 */
export async function openReplicator(
  settings: ReplicatorSettings,
  {
    log,
    onProbe,
    isTold = false,
  }: {
    readonly log: Log;
    readonly isTold?: boolean;
    readonly onProbe: (source: SourceName, target: SourceName, probe: Probe | null) => void;
  },
): Promise<Replicator> {
  const store = await openMetadataStore({ url: settings.metadataDatabaseUrl, log });
  const watch = await openCatalogWatch({ store, log, env: settings.env, isTold });
  const supervisor = new Supervisor({
    catalogs: watch,
    connect: (url, name, { kafka = null, reader = null } = {}) =>
      kafka === null
        ? postgresConnector({ url, name, log, reader })
        : kafkaConnector({ url, name, log, kafka, cluster: settings.kafka }),
    limits: limitsOf(settings),
    clock: systemClock,
    random: Math.random,
    log,
    onProbe,
    book: store.slots,
    installation: store.installation,
  });
  supervisor.start();
  return {
    look: (sources) => watch.look(sources),
    stop: async () => {
      await supervisor.stop();
      await watch.close();
      await store.close();
    },
  };
}

function limitsOf(settings: ReplicatorSettings): FeedLimits {
  const { maxRetainedWalMb, removalDelayMs, probeIntervalMs, verify, copyMaxMbPerS } = settings;
  return {
    ...DEFAULT_LIMITS,
    maxRetainedWalBytes: maxRetainedWalMb * MB,
    removalDelayMs,
    probeIntervalMs,
    kafkaProbeIntervalMs: Math.max(probeIntervalMs, DEFAULT_LIMITS.kafkaProbeIntervalMs),
    verify,
    copy: { ...DEFAULT_LIMITS.copy, bytesPerS: copyMaxMbPerS === null ? null : copyMaxMbPerS * MB },
  };
}

async function runWorker({ settings, logLevel }: WorkerStart, port: MessagePort): Promise<void> {
  const tell = (message: WorkerMessage): void => port.postMessage(message);
  const log = createLog(logLevel, { write: (line) => tell({ kind: 'log', line }) });
  const early: SourceName[] = [];
  const hearEarly = (request: WorkerRequest): void => {
    if (request.kind === 'changed') early.push(...request.sources);
  };
  port.on('message', hearEarly);
  try {
    const replicator = await openReplicator(settings, {
      log,
      onProbe: (source, target, probe) => tell({ kind: 'probe', source, target, probe }),
      isTold: true,
    });
    port.off('message', hearEarly);
    port.on('message', (request: WorkerRequest) => {
      if (request.kind === 'changed') void replicator.look(request.sources);
      else void replicator.stop().then(() => end(port));
    });
    void replicator.look(early);
    tell({ kind: 'started' });
  } catch (error) {
    tell({ kind: 'failed', message: messageOf(error) });
    port.close();
  }
}

/** Ends the thread: connections that hear nothing, not even of their end, do not keep it. */
function end(port: MessagePort): void {
  port.close();
  setTimeout(() => process.exit(), LEAVE_MS).unref();
}

const given: unknown = workerData;
if (!isMainThread && isWorkerStart(given))
  void runWorker(given, must(parentPort, 'the port to the main thread'));

function isWorkerStart(data: unknown): data is WorkerStart {
  return typeof data === 'object' && data !== null && 'role' in data && data.role === 'nearjoin replicator';
}
