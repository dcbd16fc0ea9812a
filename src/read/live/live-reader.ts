import { must } from '../../core/assert.ts';
import type { Lsn } from '../../core/lsn.ts';
import { type SourceName, sameTable } from '../../core/names.ts';
import type { StopSignal } from '../../core/stop-signal.ts';
import type { PlanTable } from '../../plan/plan.ts';
import { heldType, type LeafColumn, type Leaves } from '../../sql/leaf.ts';
import type { Statement } from '../../sql/statement.ts';
import type { SourceGroup } from '../compiled-plan.ts';
import type { Databases } from '../databases.ts';
import type { ReadSettings } from '../settings.ts';
import type { WireRow } from '../wire/connection.ts';
import { Fetcher } from './fetcher.ts';
import { LeafStore, TempTables } from './leaf-store.ts';
import { LiveRun } from './live-run.ts';
import { LiveSessions } from './sessions.ts';

export { TargetUnavailable } from './sessions.ts';

/** One answer with rows of some targets fetched live. */
export interface LiveRequest {
  readonly group: SourceGroup;
  readonly values: readonly (string | null)[];
  readonly signal: StopSignal;
  readonly live: ReadonlySet<SourceName>;
  /** Leaves of all other targets, and a name for the set. */
  readonly cachedLeaves: Leaves;
  readonly cacheKey: string;
  /** Feeds whose cache is read along. */
  readonly watermarks: readonly SourceName[];
  /** How the source holds a remote table, where it does. */
  readonly heldTypes: (table: PlanTable) => readonly LeafColumn[] | null;
}

/** Statements kept per plan: keys, fetches and the final ones. */
const KEPT_STATEMENTS = 64;

/** Reads with rows fetched from targets: the cached route's own statement over fetched leaves. */
export class LiveReader {
  readonly #databases: Databases;
  readonly #settings: ReadSettings;
  readonly #temps = new TempTables();
  readonly #statements = new WeakMap<SourceGroup, Map<string, Statement>>();

  constructor(databases: Databases, settings: ReadSettings) {
    this.#databases = databases;
    this.#settings = settings;
  }

  async read(
    request: LiveRequest,
  ): Promise<{ readonly row: WireRow; readonly positions: ReadonlyMap<SourceName, Lsn> }> {
    const sessions = await LiveSessions.open(this.#databases, request.group.source, request.signal);
    const store = this.#store(sessions);
    let succeeded = false;
    try {
      for (const target of request.live) sessions.prepareTarget(target);
      const row = await this.#answer(request, sessions, store);
      succeeded = true;
      return { row, positions: sessions.positions };
    } finally {
      if (!succeeded) store.failed();
      sessions.close(succeeded);
    }
  }

  #store(sessions: LiveSessions): LeafStore {
    return new LeafStore({
      temps: this.#temps,
      connection: sessions.sourceConnection,
      run: (text, values) => sessions.source(text, values),
      inlineRows: this.#settings.liveInlineRows,
    });
  }

  async #answer(request: LiveRequest, sessions: LiveSessions, store: LeafStore): Promise<WireRow> {
    const { group, values } = request;
    const isLive = (place: PlanTable): boolean => request.live.has(place.source);
    const leaves: Leaves = (place) =>
      isLive(place) ? must(store.leaf(place), `rows of place ${place.id}`) : request.cachedLeaves(place);
    const fetcher = new Fetcher({
      group,
      values,
      sessions,
      store,
      settings: this.#settings,
      leaves,
      columnsOf: (place) => columnsOf(place, request),
      statement: (key, make) => this.#statement(group, `${request.cacheKey}\n${key}`, make),
    });
    const live = new LiveRun({ isLive, fetcher, store, params: group.plan.params });
    for (const root of group.roots) await live.root(root);
    const statement = group.statement(`${request.cacheKey}\n${store.key}`, leaves, request.watermarks);
    const [, rows] = await Promise.all([
      store.settled(),
      sessions.source(statement.text, store.bind(statement, values)),
    ]);
    return must(rows[0], 'row of a root statement');
  }

  #statement(group: SourceGroup, key: string, make: () => Statement): Statement {
    const kept = this.#statements.get(group) ?? new Map<string, Statement>();
    this.#statements.set(group, kept);
    const known = kept.get(key);
    if (known !== undefined) return known;
    if (kept.size >= KEPT_STATEMENTS) kept.clear();
    const made = make();
    kept.set(key, made);
    return made;
  }
}

/** What to fetch of a table: what the plan reads of it anywhere and its key, typed as its cache is. */
function columnsOf(place: PlanTable, { group, heldTypes }: LiveRequest): readonly LeafColumn[] {
  const use = group.remotes.find((remote) => remote.target === place.source);
  const wanted = use?.tables.find(({ table }) => sameTable(table, place.ref))?.columns ?? [];
  const columns = new Map([...wanted, ...place.columns, ...place.key].map((column) => [column.name, column]));
  const held = heldTypes(place);
  return [...columns.values()].map((column) => ({
    name: column.name,
    type: held?.find(({ name }) => name === column.name)?.type ?? heldType(column),
  }));
}
