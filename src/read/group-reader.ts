import type { CacheTable, FeedStatus } from '../cache/cache-table.ts';
import { NearjoinError } from '../core/errors.ts';
import { type SourceName, sameTable } from '../core/names.ts';
import type { ProbeBoard } from '../core/probe-board.ts';
import { type SourceTime, stalenessMs } from '../core/watermark.ts';
import { must } from '../core/assert.ts';
import type { PlanTable, RemoteUse } from '../plan/plan.ts';
import type { Leaf } from '../sql/leaf.ts';
import { type CacheFit, cacheFit, chooseLeaf, type LeafChoice } from './choose-leaves.ts';
import type { SourceGroup } from './compiled-plan.ts';
import type { Databases } from './databases.ts';
import { readError } from './error-mapping.ts';
import { type FreshnessRequest, type Policy, policyFor, type RouteDetail, type TargetReport } from './freshness.ts';
import { faultOf, improved, type Label, parseLabel } from './labels.ts';
import { LiveReader, TargetUnavailable } from './live/live-reader.ts';
import type { ReadSettings } from './settings.ts';
import type { StatusBoard } from './status-board.ts';
import { waitFor } from './wait.ts';
import { PostgresError } from './wire/failure.ts';

/** One request, as far as one source database is concerned. */
export interface GroupRequest {
  readonly group: SourceGroup;
  readonly values: readonly (string | null)[];
  readonly freshness: FreshnessRequest;
  readonly signal: AbortSignal;
}

/** What one source database answered. */
export interface GroupAnswer {
  readonly cells: readonly (Buffer | null)[];
  readonly targets: readonly TargetReport[];
}

/** Everything a reader works with. */
export interface ReaderParts {
  readonly databases: Databases;
  readonly board: StatusBoard;
  readonly probes: ProbeBoard;
  readonly settings: ReadSettings;
}

/** One feed of the request, with what has been decided about it so far. */
interface Lane {
  readonly use: RemoteUse;
  readonly policy: Policy;
  /** Live whatever the cache says: it was tried and is not fresh enough. */
  forced: { readonly detail: RouteDetail } | null;
  /** The cache's rows are taken whatever their age. */
  anyAge: boolean;
  choice: LeafChoice;
}

interface Reading {
  readonly cells: readonly (Buffer | null)[];
  readonly now: SourceTime | null;
  readonly labels: ReadonlyMap<SourceName, Label>;
  /** Positions of the snapshots that live rows come from. */
  readonly positions: ReadonlyMap<SourceName, Label['position']>;
}

const UNDEFINED_TABLE = '42P01';

/** Answers the root fields of one source database: chooses leaves, reads, checks what was read against what was asked. */
export class GroupReader {
  readonly #parts: ReaderParts;
  readonly #live: LiveReader;
  readonly #fits = new WeakMap<SourceGroup, Map<SourceName, { readonly feed: FeedStatus; readonly fit: CacheFit }>>();

  constructor(parts: ReaderParts) {
    this.#parts = parts;
    this.#live = new LiveReader(parts.databases, parts.settings);
  }

  async read(request: GroupRequest): Promise<GroupAnswer> {
    const { group } = request;
    if (group.remotes.length === 0) {
      const reading = await this.#cached(request, []);
      return { cells: reading.cells, targets: [] };
    }
    const lanes = group.remotes.map((use) => this.#lane(use, request));
    let arrival: SourceTime | null = null;
    for (;;) {
      const known = await this.#choose(lanes, request);
      if (known === 'again') continue;
      const reading = await this.#attempt(request, lanes);
      if (reading === 'again') continue;
      arrival ??= reading.now;
      const done = await this.#judge(request, lanes, { reading, arrival });
      if (done !== null) return done;
    }
  }

  /** The leaf that would be chosen for every feed right now, and why. */
  async foresee(request: GroupRequest): Promise<readonly { readonly target: SourceName; readonly choice: LeafChoice }[]> {
    const lanes = request.group.remotes.map((use) => this.#lane(use, request));
    await this.#parts.board.known(request.group.source);
    for (const lane of lanes) this.#chooseOne(lane, request.group);
    return lanes.map(({ use, choice }) => ({ target: use.target, choice }));
  }

  #lane(use: RemoteUse, { freshness }: GroupRequest): Lane {
    const policy = policyFor(use.target, freshness, use.options, this.#parts.settings);
    const choice: LeafChoice = { route: 'live', reason: 'miss', detail: 'status-unknown', unmet: true };
    return { use, policy, forced: null, anyAge: false, choice };
  }

  async #choose(lanes: readonly Lane[], request: GroupRequest): Promise<'again' | 'chosen'> {
    const { group } = request;
    if (this.#parts.board.peek(group.source) === null) await this.#parts.board.known(group.source);
    for (const lane of lanes) {
      this.#chooseOne(lane, group);
      const { choice, policy } = lane;
      if (choice.route === 'cache' || !choice.unmet || lane.forced !== null) continue;
      if (policy.fallback === 'error') throw notFresh(lane.use.target, choice.detail);
      if (policy.fallback !== 'wait') continue;
      await this.#waitUntilUsable(lane, request);
      return 'again';
    }
    return 'chosen';
  }

  #chooseOne(lane: Lane, group: SourceGroup): void {
    const known = this.#parts.board.peek(group.source);
    if (lane.forced !== null) {
      const reason = lane.forced.detail === 'slot-lost' ? 'miss' : 'stale';
      lane.choice = { route: 'live', reason, detail: lane.forced.detail, unmet: true };
      return;
    }
    if (known === null) {
      lane.choice = { route: 'live', reason: 'miss', detail: 'status-unknown', unmet: true };
      return;
    }
    const feed = known.status.feeds.get(lane.use.target);
    const fit = this.#fit(group, lane.use, feed);
    const policy: Policy = lane.anyAge ? { ...lane.policy, noCache: false, fallback: 'stale' } : lane.policy;
    lane.choice = chooseLeaf(fit, policy, feed ?? null, known.now);
  }

  /** Comparing tables and columns is done once per plan and reading of the status. */
  #fit(group: SourceGroup, use: RemoteUse, feed: FeedStatus | undefined): CacheFit {
    if (feed === undefined) return cacheFit(use, feed);
    const known = this.#fits.get(group) ?? new Map<SourceName, { feed: FeedStatus; fit: CacheFit }>();
    this.#fits.set(group, known);
    const last = known.get(use.target);
    if (last?.feed === feed) return last.fit;
    const fit = cacheFit(use, feed);
    known.set(use.target, { feed, fit });
    return fit;
  }

  async #attempt(request: GroupRequest, lanes: readonly Lane[]): Promise<Reading | 'again'> {
    const { group } = request;
    const live = lanes.filter((lane) => lane.choice.route === 'live');
    try {
      if (live.length === 0) return await this.#cached(request, lanes);
      return await this.#mixed(request, lanes);
    } catch (error) {
      if (error instanceof PostgresError && error.state === UNDEFINED_TABLE && this.#cacheWasReplaced(lanes, group)) {
        await this.#parts.board.refresh(group.source);
        return 'again';
      }
      if (error instanceof TargetUnavailable && this.#takeStale(lanes, error.target)) return 'again';
      throw readError(error, group.source, 'source');
    }
  }

  /** A cache table was dropped between reading the status and reading the rows. The second time it is somebody else's table. */
  #cacheWasReplaced(lanes: readonly Lane[], group: SourceGroup): boolean {
    const cached = lanes.filter((lane) => lane.choice.route === 'cache');
    const before = this.#parts.board.peek(group.source);
    if (cached.length === 0 || before === null) return false;
    for (const lane of cached) {
      if (lane.forced === null) lane.forced = { detail: 'copying' };
    }
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
    const bound = statement.parameters.map((slot) => (slot.kind === 'plan' ? (values[slot.index] ?? null) : null));
    try {
      const rows = await this.#parts.databases.source(group.source).run(statement.text, bound, { signal, prepared: true });
      return readingOf(must(rows[0], 'row of a root statement'), group.jsonCells, targets);
    } catch (error) {
      if (error instanceof PostgresError && error.state === UNDEFINED_TABLE && lanes.length > 0) throw error;
      throw readError(error, group.source, 'source');
    }
  }

  async #mixed(request: GroupRequest, lanes: readonly Lane[]): Promise<Reading> {
    const { group, values, signal } = request;
    const cached = lanes.filter((lane) => lane.choice.route === 'cache');
    const targets = cached.map((lane) => lane.use.target);
    const live = lanes.filter((lane) => lane.choice.route === 'live').map((lane) => lane.use.target);
    const result = await this.#live.read({
      group,
      values,
      signal,
      live: new Set(live),
      cachedLeaves: cacheLeaves(cached, group.source),
      cacheKey: leafKey(cached),
      watermarks: targets,
      heldTypes: this.#heldTypes(group),
    });
    return { ...readingOf(result.row, group.jsonCells, targets), positions: result.positions };
  }

  /** Column types as the source holds them, where it holds the table at all: live rows take the same ones. */
  #heldTypes(group: SourceGroup): (table: PlanTable) => CacheTable['columns'] | null {
    const feeds = this.#parts.board.peek(group.source)?.status.feeds;
    return (table) => feeds?.get(table.source)?.tables.find((held) => sameTable(held.table, table.ref))?.columns ?? null;
  }

  async #judge(
    request: GroupRequest,
    lanes: readonly Lane[],
    { reading, arrival }: { reading: Reading; arrival: SourceTime | null },
  ): Promise<GroupAnswer | null> {
    const { source } = request.group;
    const reports: TargetReport[] = [];
    for (const lane of lanes) {
      const { target } = lane.use;
      if (lane.choice.route === 'live') {
        reports.push(liveReport(lane, source, this.#liveFault(lane, reading.positions.get(target) ?? null)));
        continue;
      }
      const label = improved(must(reading.labels.get(target), 'label'), this.#parts.probes, source, target);
      const now = must(reading.now, 'clock of the source');
      const at = lane.policy.fallback === 'wait' ? (arrival ?? now) : now;
      const fault = lane.anyAge && label.position !== null ? null : faultOf(label, lane.policy, at);
      if (fault !== null && !mayServe(fault, lane.policy)) {
        await this.#fallBack(lane, fault, { request, arrival: arrival ?? now });
        return null;
      }
      reports.push(cacheReport(lane, source, { label, now, fault }));
    }
    return { cells: reading.cells, targets: reports };
  }

  #liveFault(lane: Lane, position: Label['position']): Label['position'] {
    const { token } = lane.policy;
    if (token !== null && position !== null && position < token) {
      throw new NearjoinError('position-unknown', `the token's position on "${lane.use.target}" has not been written there`);
    }
    return position;
  }

  async #fallBack(
    lane: Lane,
    fault: RouteDetail,
    { request, arrival }: { request: GroupRequest; arrival: SourceTime },
  ): Promise<void> {
    if (lane.policy.fallback === 'error') throw notFresh(lane.use.target, fault);
    if (lane.policy.fallback !== 'wait') {
      lane.forced = { detail: fault };
      return;
    }
    const { source } = request.group;
    const { target } = lane.use;
    const pool = this.#parts.databases.source(source);
    const met = await waitFor(this.#parts.settings.waitMs, request.signal, async () => {
      const rows = await pool.run(WATERMARK, [target], { signal: request.signal, prepared: true });
      const label = improved(parseLabel(rows[0]?.[0]), this.#parts.probes, source, target);
      return faultOf(label, lane.policy, arrival) === null;
    });
    if (!met) throw notFresh(target, fault);
  }

  async #waitUntilUsable(lane: Lane, request: GroupRequest): Promise<void> {
    const { board, settings } = this.#parts;
    const { source } = request.group;
    const met = await waitFor(settings.waitMs, request.signal, async () => {
      await board.refresh(source);
      this.#chooseOne(lane, request.group);
      return lane.choice.route === 'cache';
    });
    if (!met && lane.choice.route === 'live') throw notFresh(lane.use.target, lane.choice.detail);
  }
}

const WATERMARK = `select coalesce(w.position::text, '-') || ' ' || coalesce(w.fresh_as_of::text, '-')
  from nearjoin.watermark w where w.target = $1::text order by w.seq desc limit 1`;

function leafKey(lanes: readonly Lane[]): string {
  return lanes
    .map(({ choice }) => (choice.route === 'cache' ? choice.tables.map((table) => table.relation).join(' ') : ''))
    .join('\n');
}

function cacheLeaves(lanes: readonly Lane[], source: SourceName): (table: PlanTable) => Leaf {
  const held = lanes.flatMap(({ choice }) => (choice.route === 'cache' ? choice.tables : []));
  return (table) => {
    if (table.source === source) return { kind: 'table' };
    const found = held.find((cache) => cache.target === table.source && sameTable(cache.table, table.ref));
    const { relation, columns } = must(found, `cache of ${table.ref.name}`);
    return { kind: 'cache', relation, columns };
  };
}

function readingOf(row: readonly (Buffer | null)[], jsonCells: number, targets: readonly SourceName[]): Reading {
  const labels = new Map(targets.map((target, i) => [target, parseLabel(row[jsonCells + 1 + i])]));
  const clock = row[jsonCells];
  return {
    cells: row.slice(0, jsonCells),
    now: targets.length === 0 || clock === null || clock === undefined ? null : Number(clock.toString('latin1')),
    labels,
    positions: new Map(),
  };
}

/** With `stale` any rows that the cache may show at all are an answer; a token is a promise that `stale` does not undo. */
function mayServe(fault: RouteDetail, policy: Policy): boolean {
  return policy.fallback === 'stale' && fault === 'lagging';
}

function cacheReport(
  lane: Lane,
  source: SourceName,
  { label, now, fault }: { label: Label; now: SourceTime; fault: RouteDetail | null },
): TargetReport {
  return {
    source,
    target: lane.use.target,
    route: 'cache',
    reason: 'hit',
    detail: fault === null && !lane.anyAge ? 'fresh' : 'stale-allowed',
    stalenessMs: label.freshAsOf === null ? null : stalenessMs(now, label.freshAsOf),
    position: label.position,
  };
}

function liveReport(lane: Lane, source: SourceName, position: Label['position']): TargetReport {
  const { choice } = lane;
  const why = choice.route === 'live' ? choice : { reason: 'miss' as const, detail: 'status-unknown' as const };
  const { reason, detail } = why;
  return { source, target: lane.use.target, route: 'live', reason, detail, stalenessMs: 0, position };
}

const WHY: Partial<Record<RouteDetail, string>> = {
  lagging: 'its cache is older than asked for',
  paused: 'its feed is paused',
  'token-ahead': 'its cache does not contain the position asked for yet',
  copying: 'its cache is still being copied',
  'slot-lost': 'its cache must be rebuilt',
  'status-unknown': 'the state of its cache is not known',
};

function notFresh(target: SourceName, detail: RouteDetail): NearjoinError {
  return new NearjoinError('not-fresh', `"${target}" is not fresh enough: ${WHY[detail] ?? detail}`);
}
