import { must } from '../core/assert.ts';
import { type SourceName, sameTable } from '../core/names.ts';
import type { Lsn } from '../core/position/lsn.ts';
import type { SourceTime } from '../core/position/watermark.ts';
import { systemClock } from '../core/waiting/clock.ts';
import type { StopSignal } from '../core/waiting/stop-signal.ts';
import type { RemoteUse } from '../plan/plan.ts';
import { boundValues } from '../sql/statement.ts';
import { type Foreseen, isUnmet, UNKNOWN_LEAF } from './choose-leaves.ts';
import type { SourceGroup } from './compiled-plan.ts';
import type { Databases } from './databases.ts';
import { perhapsOutdated, readError } from './error-mapping.ts';
import { type FreshnessRequest, policyFor, type RouteDetail, type TargetReport } from './freshness.ts';
import { renewHistories } from './histories.ts';
import { faultOf, improved, lossOf } from './labels.ts';
import { cacheLeaves, cacheReport, type Lane, leafKey, liveReport, mayServe, notFresh } from './lanes.ts';
import { LeafChooser } from './leaf-chooser.ts';
import type { HeldTypes } from './live/leaf-columns.ts';
import { LiveReader } from './live/live-reader.ts';
import { TargetUnavailable } from './live/sessions.ts';
import type { ProbeBoard } from './probe-board.ts';
import { ProofWishes } from './proof-wishes.ts';
import { type Reading, readingOf } from './reading.ts';
import { refuseLost, refuseOutlived } from './refuse-token.ts';
import type { ReadSettings } from './settings.ts';
import type { StatusBoard } from './status-board.ts';
import { untilFresh, waitFor } from './wait.ts';
import { isConnectionLost } from './wire/failure.ts';

/** One request, as far as one source database is concerned. */
export interface GroupRequest {
  readonly group: SourceGroup;
  readonly values: readonly (string | null)[];
  readonly freshness: FreshnessRequest;
  readonly signal: StopSignal;
}

/** What one source database answered. */
export interface GroupAnswer {
  readonly cells: readonly (Buffer | null)[];
  readonly targets: readonly TargetReport[];
}

/** Rows that must not be the answer, and what keeps them from it. */
interface Unmet {
  readonly lane: Lane;
  readonly fault: RouteDetail;
  /** When the request came, as far as the source's clock was read. */
  readonly arrival: SourceTime;
}

/** Everything a reader works with. */
export interface ReaderParts {
  readonly databases: Databases;
  readonly board: StatusBoard;
  readonly probes: ProbeBoard;
  readonly settings: ReadSettings;
}

/** Answers the root fields of one source database: chooses leaves, reads, checks what was read against what was asked. */
export class GroupReader {
  readonly #parts: ReaderParts;
  readonly #live: LiveReader;
  readonly #chooser: LeafChooser;
  readonly #wishes: ProofWishes;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
    this.#chooser = new LeafChooser(parts);
    this.#wishes = new ProofWishes(parts);
    this.#live = new LiveReader(parts.databases, parts.settings);
  }

  /** Tries leaf after leaf until what was read is what was asked for. */
  async read(request: GroupRequest): Promise<GroupAnswer> {
    const { group } = request;
    const lanes = await this.#wishingLanes(request);
    const untilMs = systemClock.monotonicMs() + this.#parts.settings.waitMs;
    let arrival: SourceTime | null = null;
    let mayRepeat = true;
    for (;;) {
      const waiting = this.#choose(lanes, group);
      if (waiting !== null) {
        await this.#waitUntilUsable(waiting, request, untilMs);
        continue;
      }
      let reading: Reading;
      try {
        reading = await (liveTargets(lanes).length > 0
          ? this.#mixed(request, lanes)
          : this.#cached(request, lanes));
        await renewHistories(lanes, this.#parts.databases.source(group.source), request.signal);
      } catch (error) {
        if ((await this.#afterFailure(error, request, { lanes, mayRepeat })) === 'lost') mayRepeat = false;
        continue;
      }
      const done = this.#judge(request, lanes, { reading, arrival });
      if ('cells' in done) return done;
      arrival = done.arrival;
      await this.#fallBack(done.lane, done.fault, { request, arrival, untilMs });
    }
  }

  /** The leaf that would be chosen for every feed right now, and why. */
  async foresee(request: GroupRequest): Promise<readonly Foreseen[]> {
    const lanes = request.group.remotes.map((use) => this.#lane(use, request));
    await this.#parts.board.known(request.group.source);
    for (const lane of lanes) this.#chooser.choose(lane, request.group);
    return lanes.map(({ use, choice }) => ({ target: use.target, choice }));
  }

  /** One lane for each feed, once the state of its cache has been read. */
  async #wishingLanes(request: GroupRequest): Promise<readonly Lane[]> {
    const { source, remotes } = request.group;
    const isKnown = remotes.length === 0 || this.#parts.board.peek(source) !== null;
    if (!isKnown) await this.#parts.board.known(source);
    const lanes = remotes.map((use) => this.#lane(use, request));
    for (const { use, policy } of lanes) this.#wishes.consider(source, use.target, policy);
    return lanes;
  }

  #lane(use: RemoteUse, { freshness }: GroupRequest): Lane {
    const policy = policyFor(use.target, freshness, use.options, this.#parts.settings);
    return { use, policy, forced: null, anyAge: false, history: null, choice: UNKNOWN_LEAF };
  }

  /** Chooses every leaf; the lane whose cache must be waited for first, if there is one. */
  #choose(lanes: readonly Lane[], group: SourceGroup): Lane | null {
    for (const lane of lanes) {
      this.#chooser.choose(lane, group);
      const { choice, policy } = lane;
      if (!isUnmet(choice) || lane.forced !== null) continue;
      if (policy.fallback === 'error') throw notFresh(lane.use.target, choice.detail);
      if (policy.fallback === 'wait') return lane;
    }
    return null;
  }

  /** Prepares for another attempt where one may do better; else throws what clients are told. */
  async #afterFailure(
    error: unknown,
    { group, signal }: GroupRequest,
    { lanes, mayRepeat }: { readonly lanes: readonly Lane[]; readonly mayRepeat: boolean },
  ): Promise<'again' | 'lost'> {
    const loss = lossOf(error);
    if (loss !== null && (await this.#cacheWasLost(lanes, group, loss))) return 'again';
    // A session that broke while it lay idle says nothing of the database.
    if (mayRepeat && isConnectionLost(error) && !signal.aborted) return 'lost';
    if (error instanceof TargetUnavailable && this.#takeStale(lanes, error.target)) return 'again';
    throw perhapsOutdated(readError(error, group.source, 'source'), [group.source, ...liveTargets(lanes)]);
  }

  /**
   * A cache table was dropped between reading the status and reading the rows, or its disk is: another may have taken its
   * place. When the status knows of none, the rows are read live; when that fails too it is somebody else's table.
   */
  async #cacheWasLost(lanes: readonly Lane[], group: SourceGroup, detail: RouteDetail): Promise<boolean> {
    const cached = lanes.filter((lane) => lane.choice.route === 'cache' && lane.forced === null);
    if (cached.length === 0) return false;
    const tried = leafKey(cached);
    await this.#parts.board.refresh(group.source);
    for (const lane of cached) this.#chooser.choose(lane, group);
    if (leafKey(cached) === tried) for (const lane of cached) lane.forced = { detail };
    return true;
  }

  #takeStale(lanes: readonly Lane[], target: SourceName): boolean {
    const lane = lanes.find((candidate) => candidate.use.target === target);
    if (lane === undefined || !lane.policy.staleWhenDown || lane.anyAge) return false;
    lane.anyAge = true;
    lane.forced = null;
    return true;
  }

  async #cached(request: GroupRequest, lanes: readonly Lane[]): Promise<Reading> {
    const { group, values, signal } = request;
    const targets = lanes.map((lane) => lane.use.target);
    const statement = group.statement(leafKey(lanes), cacheLeaves(lanes, group.source), targets);
    const bound = boundValues(statement, values);
    const row = await this.#parts.databases.source(group.source).row(statement, bound, signal);
    return readingOf(row, group.jsonCells, targets);
  }

  async #mixed(request: GroupRequest, lanes: readonly Lane[]): Promise<Reading> {
    const { group, values, signal } = request;
    const cached = lanes.filter((lane) => lane.choice.route === 'cache');
    const targets = cached.map((lane) => lane.use.target);
    const result = await this.#live.read({
      group,
      values,
      signal,
      live: new Set(liveTargets(lanes)),
      tokens: request.freshness.tokens,
      cachedLeaves: cacheLeaves(cached, group.source),
      cacheKey: leafKey(cached),
      watermarks: targets,
      heldTypes: this.heldTypes(group),
    });
    return { ...readingOf(result.row, group.jsonCells, targets), positions: result.positions };
  }

  /** Column types as the source holds them, where it holds the table at all: live rows take the same ones. */
  heldTypes(group: SourceGroup): HeldTypes {
    const feeds = this.#parts.board.peek(group.source)?.status.feeds;
    return (table) =>
      feeds?.get(table.source)?.tables.find((held) => sameTable(held.table, table.ref))?.columns ?? null;
  }

  /** The answer, or the first lane whose rows are not what was asked for. */
  #judge(
    request: GroupRequest,
    lanes: readonly Lane[],
    { reading, arrival }: { reading: Reading; arrival: SourceTime | null },
  ): GroupAnswer | Unmet {
    const { source } = request.group;
    const reports: TargetReport[] = [];
    for (const lane of lanes) {
      const { choice, use } = lane;
      if (choice.route === 'live') {
        const reached = reading.positions.get(use.target) ?? null;
        refuseLost(lane, reached?.before ?? null);
        reports.push(liveReport(use.target, choice, reached?.after ?? null));
        continue;
      }
      const verdict = this.#verdict(lane, { reading, arrival, source });
      if ('lane' in verdict) return verdict;
      reports.push(verdict);
    }
    return { cells: reading.cells, targets: reports };
  }

  /** Holds what the rows' own snapshot says of a cache against what was asked for. */
  #verdict(
    lane: Lane,
    { reading, arrival, source }: { reading: Reading; arrival: SourceTime | null; source: SourceName },
  ): TargetReport | Unmet {
    const { history, policy } = lane;
    const { target } = lane.use;
    const now = must(reading.now, 'clock of the source');
    const proving = (upTo: Lsn): SourceTime | null => this.#parts.probes.latest(source, target, upTo);
    const label = improved({ ...must(reading.labels.get(target), 'label'), history }, proving, now);
    if (history !== null) refuseOutlived(lane, history);
    const since = arrival ?? now;
    const fault = faultOf(label, policy, policy.fallback === 'wait' ? since : now);
    if (fault === null || mayServe(fault, lane)) return cacheReport(lane, { label, now, fault });
    return { lane, fault, arrival: since };
  }

  async #fallBack(
    lane: Lane,
    fault: RouteDetail,
    { request, arrival, untilMs }: { request: GroupRequest; arrival: SourceTime; untilMs: number },
  ): Promise<void> {
    if (lane.policy.fallback === 'error') throw notFresh(lane.use.target, fault);
    if (lane.policy.fallback !== 'wait') {
      lane.forced = { detail: fault };
      return;
    }
    const { use, policy } = lane;
    const { group, signal } = request;
    const wanted = { source: group.source, target: use.target, policy, arrival, signal, untilMs };
    this.#wishes.wish(group.source, use.target);
    if (!(await untilFresh(this.#parts, wanted))) throw notFresh(use.target, fault);
  }

  /** Until the cache can be tried, or it is known that waiting does not help. */
  async #waitUntilUsable(lane: Lane, { group, signal }: GroupRequest, untilMs: number): Promise<void> {
    await waitFor(untilMs, signal, async () => {
      await this.#parts.board.refresh(group.source);
      this.#chooser.choose(lane, group);
      return !isUnmet(lane.choice);
    });
    if (isUnmet(lane.choice)) throw notFresh(lane.use.target, lane.choice.detail);
  }
}

function liveTargets(lanes: readonly Lane[]): readonly SourceName[] {
  return lanes.flatMap(({ choice, use }) => (choice.route === 'live' ? [use.target] : []));
}
