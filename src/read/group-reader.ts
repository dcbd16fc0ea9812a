import { must } from '../core/assert.ts';
import { type SourceName, sameTable } from '../core/names.ts';
import { systemClock } from '../core/waiting/clock.ts';
import { orStopped } from '../core/waiting/or-stopped.ts';
import type { RemoteUse } from '../plan/plan.ts';
import { boundValues } from '../sql/statement.ts';
import type { Databases } from './databases.ts';
import { perhapsOutdated, readError } from './error-mapping.ts';
import { policyFor, type RouteDetail, type TargetReport } from './freshness.ts';
import { renewHistories } from './histories.ts';
import { type Judged, judge, type Unmet } from './judge.ts';
import { lossOf } from './labels.ts';
import { type Foreseen, isUnmet, UNKNOWN_CACHE } from './leaf-choice.ts';
import { LeafChooser } from './leaf-chooser.ts';
import type { HeldTypes } from './live/leaf-columns.ts';
import { LiveReader } from './live/live-reader.ts';
import { SnapshotOutlived, TargetUnavailable } from './live/sessions.ts';
import type { ProbeBoard } from './probe-board.ts';
import { ProbeWishes } from './probe-wishes.ts';
import type { ReadRequest } from './read-request.ts';
import { type Reading, readingOf } from './reading.ts';
import type { ReadSettings } from './settings.ts';
import type { SourceGroup } from './source-group.ts';
import type { StatusBoard } from './status-board.ts';
import { cacheLeaves, leafKey, notFresh, type TargetRead } from './target-read.ts';
import { untilFresh, waitFor } from './wait.ts';
import { isConnectionLost } from './wire/failure.ts';
import type { WireRow } from './wire/request.ts';

/** One request, as far as one source database is concerned. */
export interface GroupRequest extends Pick<ReadRequest, 'values' | 'freshness' | 'signal'> {
  readonly group: SourceGroup;
}

/** What one source database answered. */
export interface GroupAnswer {
  readonly cells: WireRow;
  readonly targets: readonly TargetReport[];
}

/** A request while it is answered, one attempt after the other. */
interface Answering extends GroupRequest, Omit<Judged, 'group'> {
  /** Until when it may wait for caches. */
  readonly untilMs: number;
  /** How often it may still be begun anew after a failure. */
  repeats: number;
}

/** How often an answer is begun anew whose tables are emptied or replaced while they are read; after a lost connection once. */
const REPEATS = 3;

/** Everything a reader works with. */
export interface ReaderParts {
  readonly databases: Databases;
  readonly board: StatusBoard;
  readonly probes: ProbeBoard;
  readonly settings: ReadSettings;
}

/** Answers the root fields of one source database: chooses leaves, reads, and checks what was read against what was asked for. */
export class GroupReader {
  readonly #parts: ReaderParts;
  readonly #live: LiveReader;
  readonly #chooser: LeafChooser;
  readonly #wishes: ProbeWishes;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
    this.#chooser = new LeafChooser(parts);
    this.#wishes = new ProbeWishes(parts);
    this.#live = new LiveReader(parts.databases, parts.settings);
  }

  /** Reads until every target's rows are what was asked for: from its cache, or else as the fallback says. */
  async read(request: GroupRequest): Promise<GroupAnswer> {
    const answering = await this.#prepare(request);
    const { group, signal, reads } = answering;
    for (;;) {
      const waiting = this.#choose(answering);
      if (waiting !== null) {
        await this.#waitUntilUsable(waiting, answering);
        continue;
      }
      let reading: Reading;
      try {
        reading = await (liveTargets(reads).length > 0 ? this.#mixed(answering) : this.#cached(answering));
        await renewHistories(reads, this.#parts.databases.source(group.source), signal);
      } catch (error) {
        await this.#afterFailure(error, answering);
        continue;
      }
      const verdict = judge(reading, answering, this.#parts.probes);
      if ('targets' in verdict) return { cells: reading.cells, targets: verdict.targets };
      await this.#fallBack(verdict, answering);
    }
  }

  /** The leaf that would be chosen for every feed right now, and why. */
  async foresee(request: GroupRequest): Promise<readonly Foreseen[]> {
    const reads = request.group.remotes.map((use) => this.#targetRead(use, request));
    await orStopped(this.#parts.board.known(request.group.source), request.signal);
    for (const read of reads) this.#chooser.choose(read, request.group);
    return reads.map(({ use, choice }) => ({ target: use.target, choice }));
  }

  /** Begins once the state of all caches is known. Where a bound is small, more probes are wished for. */
  async #prepare(request: GroupRequest): Promise<Answering> {
    const { group, values, freshness, signal } = request;
    const { source, remotes } = group;
    const isKnown = remotes.length === 0 || this.#parts.board.peek(source) !== null;
    if (!isKnown) await orStopped(this.#parts.board.known(source), signal);
    const reads = remotes.map((use) => this.#targetRead(use, request));
    for (const { use, policy } of reads) this.#wishes.consider(source, use.target, policy);
    const untilMs = systemClock.monotonicMs() + this.#parts.settings.waitMs;
    // Written out: to spread the request would take microseconds of every answer.
    return { group, values, freshness, signal, reads, untilMs, arrival: null, repeats: REPEATS };
  }

  #targetRead(use: RemoteUse, { freshness }: GroupRequest): TargetRead {
    const policy = policyFor(use.target, freshness, use.options, this.#parts.settings);
    return { use, policy, forced: null, anyAge: false, history: null, choice: UNKNOWN_CACHE };
  }

  /** Chooses every leaf; returns the first target whose cache must be waited for, or null. */
  #choose({ reads, group }: Answering): TargetRead | null {
    for (const read of reads) {
      this.#chooser.choose(read, group);
      const { choice, policy } = read;
      if (!isUnmet(choice) || read.forced !== null) continue;
      if (policy.fallback === 'error') throw notFresh(read.use.target, choice.detail);
      if (policy.fallback === 'wait') return read;
    }
    return null;
  }

  /** Prepares another attempt where one may succeed; else throws what clients are told. */
  async #afterFailure(error: unknown, answering: Answering): Promise<void> {
    const { group, signal, reads, repeats } = answering;
    const loss = lossOf(error);
    if (loss !== null && (await this.#replaceLost(answering, loss))) return;
    // A session that broke while it lay idle says nothing of the database.
    const isBroken = isConnectionLost(error) && !signal.aborted;
    if (repeats > 0 && (isBroken || error instanceof SnapshotOutlived)) {
      answering.repeats = isBroken ? 0 : repeats - 1;
      return;
    }
    if (error instanceof TargetUnavailable && this.#takeStale(reads, error.target)) return;
    throw perhapsOutdated(readError(error, group.source, 'source'), [group.source, ...liveTargets(reads)]);
  }

  /**
   * A cache table could not be read: it was dropped after the status was read, or its disk fails. Takes the one that the status
   * names by now, or else reads live. False where no cache was read: another table is the cause.
   */
  async #replaceLost({ reads, group }: Answering, detail: RouteDetail): Promise<boolean> {
    const cached = reads.filter((read) => read.choice.route === 'cache');
    if (cached.length === 0) return false;
    const tried = leafKey(cached);
    await this.#parts.board.refresh(group.source);
    for (const read of cached) this.#chooser.choose(read, group);
    if (leafKey(cached) === tried) for (const read of cached) read.forced = detail;
    return true;
  }

  #takeStale(reads: readonly TargetRead[], target: SourceName): boolean {
    const read = reads.find((candidate) => candidate.use.target === target);
    if (read === undefined || !read.policy.staleWhenDown || read.anyAge) return false;
    read.anyAge = true;
    read.forced = null;
    return true;
  }

  async #cached({ group, values, signal, reads }: Answering): Promise<Reading> {
    const targets = reads.map((read) => read.use.target);
    const statement = group.statement(leafKey(reads), cacheLeaves(reads, group.source), targets);
    const bound = boundValues(statement, values);
    const row = await this.#parts.databases.source(group.source).row(statement, bound, signal);
    return readingOf(row, group.jsonCells, targets);
  }

  async #mixed({ group, values, signal, freshness, reads }: Answering): Promise<Reading> {
    const cached = reads.filter((read) => read.choice.route === 'cache');
    const targets = cached.map((read) => read.use.target);
    const result = await this.#live.read({
      group,
      values,
      signal,
      live: new Set(liveTargets(reads)),
      tokens: freshness.tokens,
      cachedLeaves: cacheLeaves(cached, group.source),
      cacheKey: leafKey(cached),
      watermarks: targets,
      heldTypes: this.heldTypes(group),
    });
    return { ...readingOf(result.row, group.jsonCells, targets), positions: result.positions };
  }

  /** The column types of the cache tables there are: rows fetched live take the same ones. */
  heldTypes(group: SourceGroup): HeldTypes {
    const feeds = this.#parts.board.peek(group.source)?.status.feeds;
    return (table) =>
      feeds?.get(table.source)?.tables.find((held) => sameTable(held.table, table.ref))?.columns ?? null;
  }

  async #fallBack({ read, fault }: Unmet, { group, signal, arrival, untilMs }: Answering): Promise<void> {
    const { use, policy } = read;
    if (policy.fallback === 'error') throw notFresh(use.target, fault);
    if (policy.fallback !== 'wait') {
      read.forced = fault;
      return;
    }
    const since = must(arrival, 'clock of the source');
    const wanted = { source: group.source, target: use.target, policy, arrival: since, signal, untilMs };
    this.#wishes.wish(group.source, use.target);
    if (!(await untilFresh(this.#parts, wanted))) throw notFresh(use.target, fault);
  }

  /** Waits until the cache can be tried; throws `not-fresh` when the time is up. */
  async #waitUntilUsable(read: TargetRead, { group, signal, untilMs }: Answering): Promise<void> {
    await waitFor(untilMs, signal, async () => {
      await this.#parts.board.refresh(group.source);
      this.#chooser.choose(read, group);
      return !isUnmet(read.choice);
    });
    if (isUnmet(read.choice)) throw notFresh(read.use.target, read.choice.detail);
  }
}

function liveTargets(reads: readonly TargetRead[]): readonly SourceName[] {
  return reads.flatMap(({ choice, use }) => (choice.route === 'live' ? [use.target] : []));
}
