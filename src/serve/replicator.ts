import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { CatalogWatch } from '../catalog/watch.ts';
import type { Config } from '../config.ts';
import { type Clock, systemClock } from '../core/waiting/clock.ts';
import { type Log, writeLine } from '../ops/log.ts';
import type { ProbeBoard } from '../read/probe-board.ts';
import {
  openReplicator,
  type ReplicatorSettings,
  type WorkerMessage,
  type WorkerRequest,
  workerStart,
} from '../replicator-worker.ts';
import type { Closing } from './closing.ts';
import { cannotStart } from './errors.ts';
import { kafkaCluster } from './kafka-cluster.ts';

/** What the replicator role is started with. */
export interface ReplicatorInput {
  readonly config: Config;
  readonly metadataDatabaseUrl: string;
  readonly probes: ProbeBoard;
  /** Watches the databases, and tells the replicator's thread which have changed. */
  readonly watch: Pick<CatalogWatch, 'tellChanges'>;
  readonly log: Log;
  readonly closing: Closing;
}

const RESTART_MS = 1000;

/**
 * Runs the feeds: beside an API in a thread of their own, so that applying a large transaction never delays an answer; in
 * this thread when the process does nothing else.
 */
export async function startReplicator(input: ReplicatorInput): Promise<void> {
  const { config, metadataDatabaseUrl, probes, watch, log, closing } = input;
  const settings: ReplicatorSettings = {
    metadataDatabaseUrl,
    env: { ...process.env },
    maxRetainedWalMb: config.maxRetainedWalMb,
    kafka: kafkaCluster(config),
    removalDelayMs: config.removalDelayMs,
    probeIntervalMs: config.probeIntervalMs,
    verify: backgroundVerification(config),
    copyMaxMbPerS: config.copyMaxMbPerS,
  };
  if (config.roles.includes('api') && isBuilt()) {
    const thread = new ReplicatorThread(settings, { log, probes, clock: systemClock });
    thread.start();
    watch.tellChanges((sources) => thread.tell({ kind: 'changed', sources }));
    closing.add('replicator', () => thread.stop());
    return;
  }
  try {
    const replicator = await openReplicator(settings, {
      log,
      onProbe: (source, target, probe) => probes.put(source, target, probe),
    });
    closing.add('replicator', () => replicator.stop());
  } catch (error) {
    throw cannotStart('the replicator cannot start', error);
  }
}

function backgroundVerification(config: Config): ReplicatorSettings['verify'] {
  if (config.verifyIntervalMs === 0) return null;
  return {
    everyMs: config.verifyIntervalMs,
    rowsPerSecond: config.verifyRowsPerSecond,
    repair: config.verifyRepair,
  };
}

/** A worker thread can load built files only; when run from sources, as in tests, everything is in one thread. */
function isBuilt(): boolean {
  return extname(import.meta.url) === '.js';
}

interface ThreadParts {
  readonly log: Log;
  readonly probes: ProbeBoard;
  readonly clock: Clock;
}

/** The replicator's thread, started again when it ends by itself. */
class ReplicatorThread {
  readonly #settings: ReplicatorSettings;
  readonly #parts: ThreadParts;
  readonly #stopping = new AbortController();
  #worker: Worker | null = null;
  #hasStarted = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(settings: ReplicatorSettings, parts: ThreadParts) {
    this.#settings = settings;
    this.#parts = parts;
  }

  start(): void {
    this.#loop = this.#keepRunning(this.#stopping.signal);
  }

  /** Says nothing while the thread is being started again: a new one reads everything anyway. */
  tell(request: WorkerRequest): void {
    this.#worker?.postMessage(request);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    // One that has not started yet has nothing to end in order; it may be loading its code, or waiting for a database.
    if (this.#hasStarted) this.tell({ kind: 'stop' });
    else await this.#worker?.terminate();
    await this.#loop;
  }

  async #keepRunning(signal: AbortSignal): Promise<void> {
    const { log, clock } = this.#parts;
    while (!signal.aborted) {
      const worker = this.#open();
      this.#worker = worker;
      const code = await exitOf(worker);
      this.#worker = null;
      if (signal.aborted) return;
      log.error({ code, restart_ms: RESTART_MS }, 'replicator thread ended');
      await clock.delay(RESTART_MS, signal);
    }
  }

  #open(): Worker {
    const { log } = this.#parts;
    const file = new URL(`../replicator-worker${extname(import.meta.url)}`, import.meta.url);
    this.#hasStarted = false;
    const worker = new Worker(file, { workerData: workerStart(this.#settings, levelOf(log)) });
    worker.on('error', (error) => log.error({ err: error }, 'replicator thread failed'));
    worker.on('message', (message: WorkerMessage) => this.#hear(message));
    return worker;
  }

  #hear(message: WorkerMessage): void {
    const { log, probes } = this.#parts;
    switch (message.kind) {
      case 'probe':
        return probes.put(message.source, message.target, message.probe);
      case 'log':
        return writeLine(log, message.line);
      case 'failed':
        return log.error({ reason: message.message }, 'replicator cannot start');
      case 'started':
        this.#hasStarted = true;
        return log.debug('replicator started');
    }
  }
}

/** Resolves when the thread is gone; not `events.once`, which rejects when an `error` event comes before. */
function exitOf(worker: Worker): Promise<number> {
  return new Promise((resolve) => worker.once('exit', resolve));
}

function levelOf(log: Log): Parameters<typeof workerStart>[1] {
  const levels = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;
  return levels.find((level) => level === log.level) ?? 'info';
}
