import type { ChangeStream, TargetIdentity } from '../../../connectors/connector.ts';
import { loadFeed, saveFeedState } from '../../cache/feed/row.ts';
import { loadStoredTables, type StoredTable } from '../../cache/table/stored.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import { LEAVE_MS } from '../../core/waiting/after-abort.ts';
import { Copier } from '../copy/copy.ts';
import { CopyMeans } from '../copy/means.ts';
import type { Exclusively } from '../exclusively.ts';
import type { StageLimits } from '../feed-options.ts';
import { type ProbeOptions, runProbes, untilApplied } from '../follow/probes.ts';
import { Progress } from '../follow/progress.ts';
import { Pump, type PumpOptions } from '../follow/pump.ts';
import { AnotherStream } from '../interruptions.ts';
import type { Session } from '../session.ts';
import { SourceTypes } from '../table/source-types.ts';
import { untilFirstFailure } from '../together.ts';
import { Verifier } from '../verify/verifier.ts';
import { Applier } from '../write/applier.ts';
import { DurablePosition } from '../write/durable.ts';
import { cacheSink, overlaySink, Sinks } from '../write/sink.ts';
import { canStage, openApplySession } from './apply-session.ts';
import type { FeedScene } from './feed-scene.ts';
import { findStart, type Start } from './feed-start.ts';
import { FeedTables, isCopying, lookAtTables } from './feed-tables.ts';
import { tellHeldUpBySource, toldWhile } from './held-up.ts';
import { endSessions } from './lease.ts';
import type { Remaining, Tools } from './reconciler.ts';

const SETTLED_AFTER_MS = 5_000;
/** How often a run without transactions in progress looks whether its stream may be opened anew with them. */
const CALM_POLL_MS = 250;

/** Connects a feed and keeps it streaming until the signal aborts; throws the first failure of anything in it. */
export async function runFeed(scene: FeedScene, signal: AbortSignal): Promise<void> {
  // A server does not notice that its client is gone while a statement waits or works, and goes on holding locks.
  await endSessions(scene.control, scene.leader);
  const identifying = scene.connector.identify();
  identifying.catch(() => undefined); // told where it is awaited, unless the source fails before
  const session = await openApplySession(scene, signal);
  session.cutAfter(signal, LEAVE_MS);
  const means = new CopyMeans({ ...scene.options, ...scene, signal });
  try {
    await new FeedRun(scene, session, means).run(identifying, signal);
  } finally {
    scene.tick = null;
    scene.counters.early = null;
    await means.close();
    await session.close();
  }
}

/** What is known when the stream can be opened. */
interface Prepared {
  readonly start: Start;
  readonly remaining: Remaining;
}

/** A stream that is open, and what it began with. */
interface Opened {
  readonly applier: Applier;
  readonly stream: ChangeStream;
  readonly start: Start;
  readonly stage: StageLimits | null;
  readonly types: SourceTypes;
  readonly signal: AbortSignal;
}

/** What a stream is followed with. */
interface Parts extends Pick<Opened, 'applier' | 'stream'> {
  readonly progress: Progress;
  readonly pump: Pump;
  readonly copier: Copier;
  readonly tools: Tools;
  /** Resolves when the position is applied, which the target is asked for; or when the signal aborts. */
  readonly applied: (position: Lsn, signal: AbortSignal) => Promise<void>;
  readonly isNew: boolean;
}

class FeedRun {
  readonly #scene: FeedScene;
  readonly #session: Session;
  readonly #means: CopyMeans;
  readonly #sinks: Sinks;

  constructor(scene: FeedScene, session: Session, means: CopyMeans) {
    this.#scene = scene;
    this.#sinks = new Sinks(new Set(scene.sought));
    scene.sought.clear();
    this.#session = session;
    this.#means = means;
  }

  async run(identifying: Promise<TargetIdentity>, signal: AbortSignal): Promise<void> {
    const { options, lease, connector, control } = this.#scene;
    const stored = await loadFeed(control, lease.target);
    const { client } = this.#session;
    const seq = stored.watermark?.seq ?? 0n;
    const stage = (await canStage(client)) ? options.limits.stage : null;
    const applier = new Applier({ client, stage, lease, seq, onStep: options.onStep });
    const types = new SourceTypes();
    const prepare = async (exclusively: Exclusively, stop: AbortSignal): Promise<Prepared> => {
      const means = { identity: await identifying, applier, exclusively, sinks: this.#sinks };
      const start = await findStart(this.#scene, stored, means, stop);
      // No copy is under way yet that would have to be stopped.
      const tools = { types, sinks: this.#sinks, exclusively, cancel: () => Promise.resolve() };
      // Before the first change is read: a table that is broken or not published must not count as fresh.
      return { start, remaining: await lookAtTables(this.#scene, tools, new Set(), stop) };
    };
    const writer = { pid: this.#session.pid, exclusively: applier.exclusively.bind(applier) };
    const { start, remaining } = await toldWhile(this.#scene, writer, prepare, signal);
    await this.#bindTables();
    signal.throwIfAborted();
    const isEarly = this.#scene.early.isAllowed && !isCopying(remaining);
    if (start.isNew) this.#means.prepare(remaining.copies.length, signal);
    const stream = await connector.open(start.after, start.lastCommit, signal, isEarly);
    try {
      await this.#stream(this.#assemble({ applier, stage, stream, start, types, signal }), remaining, signal);
    } finally {
      stream.close();
    }
  }

  #assemble({ applier, stage, stream, start, types, signal }: Opened): Parts {
    const { options, lease, connector, counters, failures } = this.#scene;
    const { limits, clock, onStep } = options;
    const progress = new Progress(start);
    const onApplied: PumpOptions['onApplied'] = ({ transactions, changes }, xids) => {
      counters.transactionsApplied += transactions;
      counters.changesApplied += changes;
      this.#scene.early.applied(xids);
    };
    const pump = new Pump({
      stream,
      applier,
      sinks: this.#sinks,
      progress,
      limits: limits.batch,
      clock,
      shown: (xids, signal) => connector.shown(xids, signal),
      onApplied,
      early: {
        limits: limits.early,
        stage,
        openSession: () => openApplySession(this.#scene, signal),
        onStep,
      },
    });
    const exclusively = pump.exclusively.bind(pump);
    const applied: Parts['applied'] = (position, signal) =>
      untilApplied({ connector, stream, progress, clock }, position, signal);
    const copier = new Copier({
      ...options,
      means: this.#means,
      lease,
      connector,
      exclusively,
      sinks: this.#sinks,
      progress,
      applied,
      parallel: limits.parallelCopies,
      limits: limits.copy,
      isOverlayMade: () => failures.isTroubled,
    });
    const tools: Tools = { types, sinks: this.#sinks, exclusively, cancel: (table) => copier.cancel(table) };
    return { applier, stream, progress, pump, copier, tools, applied, isNew: start.isNew };
  }

  async #stream(parts: Parts, remaining: Remaining, signal: AbortSignal): Promise<void> {
    const { options, lease, control } = this.#scene;
    const { stream, progress, pump } = parts;
    await saveFeedState(control, lease, { state: 'streaming', reason: null });
    options.log.info({ early: stream.isEarly }, 'streaming');
    const tables = new FeedTables(this.#scene, parts);
    const verifier = this.#verifier(parts);
    const durable = new DurablePosition();
    this.#scene.tick = async () => {
      this.#scene.counters.early = pump.early.work;
      await durable.tell(control, progress.stored, stream);
      await options.onStep?.('apply:acknowledged');
      await tables.tellRowsCopied();
    };
    await untilFirstFailure(signal, [
      (stop) => pump.read(stop),
      (stop) => pump.write(stop),
      (stop) => pump.early.watch(stop),
      (stop) => tellHeldUpBySource(this.#scene, { pid: this.#session.pid, state: 'streaming', pump }, stop),
      (stop) => runProbes(this.#probing(parts), stop),
      (stop) => tables.run(remaining, stop),
      (stop) => verifier.run(stop),
      (stop) => this.#becomeEarly(parts, () => !tables.isBusy && !verifier.isComparing, stop),
      async (stop) => {
        this.#session.cutAfter(stop, LEAVE_MS);
        await options.clock.delay(SETTLED_AFTER_MS, stop);
        this.#scene.streamed ||= !stop.aborted;
      },
    ]);
  }

  /**
   * Ends a run whose stream sends whole transactions only, once it may send transactions in progress and little is disturbed
   * by opening it anew: in a pause of the stream, or after a longer while between two transactions.
   */
  async #becomeEarly(
    { stream, pump, applier }: Parts,
    isCalm: () => boolean,
    stop: AbortSignal,
  ): Promise<void> {
    const { options, connector, early } = this.#scene;
    const { clock, limits } = options;
    if (stream.isEarly || connector.kind !== 'postgres') return;
    const begunMs = clock.monotonicMs();
    while (!stop.aborted) {
      await clock.delay(CALM_POLL_MS, stop);
      if (!early.isAllowed || !isCalm()) continue;
      const sinceMs = clock.monotonicMs() - begunMs;
      const isIdle = sinceMs >= limits.early.settledMs && pump.isIdle;
      if (isIdle || (sinceMs >= limits.early.restlessMs && !applier.isOpen))
        throw new AnotherStream('large transactions are to come before they commit');
    }
  }

  #verifier({ tools, applied }: Parts): Verifier {
    const { options } = this.#scene;
    const { exclusively } = tools;
    return new Verifier({
      ...options,
      ...this.#scene,
      background: options.limits.verify,
      exclusively,
      applied,
    });
  }

  #probing({ stream, progress, pump }: Parts): ProbeOptions {
    const { options, control, connector, probePace } = this.#scene;
    return {
      client: control,
      connector,
      stream,
      progress,
      observe: () => this.#observe(),
      clock: options.clock,
      pace: probePace,
      onProbe: (probe) => {
        pump.probed(probePace.isStored);
        options.onProbe(probe);
      },
    };
  }

  async #observe(): Promise<Lsn | null> {
    const { position, isAsChecked } = await this.#scene.connector.observe();
    if (isAsChecked) return this.#scene.inOrder ? position : null;
    this.#scene.inOrder = false;
    this.#scene.reconsider.notify();
    return null;
  }

  async #bindTables(): Promise<void> {
    const { control, lease } = this.#scene;
    for (const stored of await loadStoredTables(control, lease.target)) this.#bind(stored);
  }

  #bind(stored: StoredTable): void {
    if (stored.serving !== null) this.#sinks.set(cacheSink(stored.serving));
    if (stored.state.kind === 'ready') this.#sinks.set(cacheSink(stored));
    const { overlay, state } = stored;
    // Some parts of the copy are read again and there is no overlay yet: changes go to the cache table itself.
    if (state.kind === 'copying' && stored.parts !== null && stored.overlay === null)
      this.#sinks.set(cacheSink(stored));
    const isUnfinished = state.kind === 'catching-up' || state.kind === 'copying';
    if (isUnfinished && overlay !== null) this.#sinks.set(overlaySink({ ...stored, overlay }, false));
  }
}
