import { must } from '../../core/assert.ts';
import { keptIn } from '../../core/kept-in.ts';
import type { SourceName } from '../../core/names.ts';
import type { Token } from '../../core/position/token.ts';
import type { TextValues } from '../../core/postgres/text-values.ts';
import type { Stop, StopSignal } from '../../core/waiting/stop-signal.ts';
import { under } from '../../core/waiting/under.ts';
import { runsStatement } from '../../plan/places-in.ts';
import type { PlanTable } from '../../plan/plan.ts';
import type { Leaves } from '../../sql/place/leaf.ts';
import { type Gap, placeOf } from '../../sql/shape/gap.ts';
import { boundValues, type RootStatement, type Statement } from '../../sql/statement.ts';
import type { Databases } from '../databases.ts';
import { FewKept } from '../few-kept.ts';
import type { Reached } from '../reading.ts';
import type { ReadSettings } from '../settings.ts';
import type { SourceGroup } from '../source-group.ts';
import { PostgresError } from '../wire/failure.ts';
import type { AskedStatement } from '../wire/pool.ts';
import type { WireRow } from '../wire/request.ts';
import { Fetcher } from './fetcher.ts';
import { gapsOf } from './find-gaps.ts';
import { type FillerParts, fillGaps } from './gap-filler.ts';
import { type HeldTypes, leafColumns } from './leaf-columns.ts';
import { LeafStore, TablesRefused } from './leaf-store.ts';
import { sideBySide } from './limits.ts';
import { LiveRun } from './live-run.ts';
import { ASK_POSITION, LiveSessions, positionIn, reached, targetError } from './sessions.ts';
import { TempTables } from './temp-tables.ts';

/** One answer with rows of some targets fetched live. */
export interface LiveRequest {
  readonly group: SourceGroup;
  readonly values: TextValues;
  readonly signal: StopSignal;
  readonly live: ReadonlySet<SourceName>;
  /** Positions that the answer must contain. */
  readonly tokens: ReadonlyMap<SourceName, Token>;
  /** Leaves of all other targets, and a name for the set. */
  readonly cachedLeaves: Leaves;
  readonly cacheKey: string;
  /** Feeds whose cache is read along. */
  readonly watermarks: readonly SourceName[];
  readonly heldTypes: HeldTypes;
}

/** An answer's row and the positions of the targets that were read for it. */
export interface LiveAnswer {
  readonly row: WireRow;
  readonly positions: ReadonlyMap<SourceName, Reached>;
}

/** What is worked out once for a plan. */
interface Kept {
  readonly statements: FewKept<Statement>;
  /** By the set of live targets. */
  readonly gaps: Map<string, readonly Gap[] | null>;
}

const ROOT_ROW = 'row of a root statement';

/** Statements kept per plan: keys, fetches and fillings. */
const KEPT_STATEMENTS = 64;

/** Reads with rows fetched from targets: the same statement as for the cache, over fetched leaves. */
export class LiveReader {
  readonly #databases: Databases;
  readonly #settings: ReadSettings;
  readonly #temps = new TempTables();
  readonly #groups = new WeakMap<SourceGroup, Kept>();

  constructor(databases: Databases, settings: ReadSettings) {
    this.#databases = databases;
    this.#settings = settings;
  }

  /** If the targets only have to fill gaps, one statement of the source and one of each target are the whole answer. */
  async read(request: LiveRequest): Promise<LiveAnswer> {
    const gaps = this.#gaps(request);
    return gaps === null ? this.#inTransactions(request) : this.#inStatements(request, gaps);
  }

  #gaps({ group, live }: LiveRequest): readonly Gap[] | null {
    const kept = this.#kept(group);
    const key = [...live].sort().join('\n');
    return keptIn(kept.gaps, key, () => gapsOf(group.roots, (place) => live.has(place.source)));
  }

  async #inStatements(request: LiveRequest, gaps: readonly Gap[]): Promise<LiveAnswer> {
    const { group, values, tokens, signal } = request;
    const statement = this.#final(request, gaps, { key: '', leaves: request.cachedLeaves });
    const row = await this.#databases
      .source(group.source)
      .row(statement, boundValues(statement, values), signal);
    const positions = new Map<SourceName, Reached>();
    const ask: FillerParts['ask'] = async (target, asked, until) => {
      const found = await this.#askOnce(target, asked, { tokens, signal: until });
      positions.set(target, found.reached);
      return found.row;
    };
    return { row: await this.#filled(row, gaps, { request, ask }), positions };
  }

  async #askOnce(
    target: SourceName,
    statement: AskedStatement,
    { tokens, signal }: Pick<LiveRequest, 'tokens' | 'signal'>,
  ): Promise<{ readonly row: WireRow; readonly reached: Reached }> {
    try {
      const isHeld = tokens.has(target);
      const asked = isHeld ? [ASK_POSITION, statement] : [statement];
      const pool = this.#databases.target(target);
      const { answers, history } = await pool.answers(asked, { signal, prepared: true });
      const row = must(answers.at(-1)?.[0], 'row of a target');
      const before = isHeld ? positionIn(answers[0]?.[0]?.[0]) : null;
      return { row, reached: reached(before, positionIn(row[0]), history) };
    } catch (error) {
      signal.throwIfAborted();
      throw targetError(error, target);
    }
  }

  /** Where temporary tables are refused, for want of room or by a rule, the answer is made without them. */
  async #inTransactions(request: LiveRequest): Promise<LiveAnswer> {
    const isReadOnly = request.group.roots.some(runsStatement);
    try {
      return await this.#inSnapshots(request, isReadOnly);
    } catch (error) {
      if (error instanceof TablesRefused) return this.#inSnapshots(request, true);
      throw error;
    }
  }

  async #inSnapshots(request: LiveRequest, isReadOnly: boolean): Promise<LiveAnswer> {
    return under(request.signal, (own) => this.#underOwn({ ...request, signal: own }, own, isReadOnly));
  }

  /** `own` ends with a failure what is under way beside it: sessions that are given back must not be asked any more. */
  async #underOwn(request: LiveRequest, own: Stop, isReadOnly: boolean): Promise<LiveAnswer> {
    const { group, live, tokens } = request;
    const wanted = { source: group.source, targets: [...live], isReadOnly, tokens };
    const sessions = await LiveSessions.open(this.#databases, wanted, request.signal);
    const store = this.#store(sessions);
    let succeeded = false;
    try {
      const row = await this.#answer(request, sessions, store);
      succeeded = true;
      return { row, positions: sessions.positions };
    } catch (error) {
      // It may be that of a statement which fills a temporary table.
      if (error instanceof PostgresError) await store.settled();
      own.abort(error);
      throw error;
    } finally {
      if (!succeeded) store.failed();
      sessions.close({ succeeded, dropsTemps: succeeded && this.#temps.giveUp(sessions.sourceConnection) });
    }
  }

  #store(sessions: LiveSessions): LeafStore {
    return new LeafStore({
      temps: this.#temps,
      connection: sessions.sourceConnection,
      makesTemps: sessions.makesTemps,
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
      signal: request.signal,
      leaves,
      columnsOf: (place) => leafColumns(place, group, request.heldTypes),
      statement: (key, make) => this.#statement(group, `${request.cacheKey}\n${key}`, make),
    });
    const live = new LiveRun({ isLive, fetcher, store, params: group.plan.params });
    await sideBySide(group.roots.map((root) => live.root(root)));
    const statement = this.#final(request, store.gaps, { key: store.key, leaves });
    const asked = [
      store.settled(),
      sessions.source(statement.text, store.bind(statement, values)),
      sessions.checkSource(),
      store.gaps.length === 0 ? sessions.checkTargets() : Promise.resolve(),
    ] as const;
    // Not before each has its answer: a session from which one is still to come could only be ended.
    await Promise.allSettled(asked);
    const [, rows] = await Promise.all(asked);
    if (store.gaps.length === 0) return must(rows[0], ROOT_ROW);
    // Sessions of transactions end with the answer, and what runs in them.
    const ask: FillerParts['ask'] = async (target, { text, values: bound }) =>
      must((await sessions.target(target, text, bound))[0], 'row of a target');
    const row = await this.#filled(must(rows[0], ROOT_ROW), store.gaps, { request, ask });
    await sessions.checkTargets();
    return row;
  }

  #final(
    { group, cacheKey, watermarks }: LiveRequest,
    gaps: readonly Gap[],
    { key, leaves }: { readonly key: string; readonly leaves: Leaves },
  ): RootStatement {
    const open = gaps.map(({ field }) => placeOf(field).id);
    const named = `${cacheKey}\n${key}\nopen ${open.join(' ')}`;
    return group.statement(named, leaves, watermarks, new Set(open));
  }

  #filled(
    row: WireRow,
    gaps: readonly Gap[],
    { request, ask }: { readonly request: LiveRequest; readonly ask: FillerParts['ask'] },
  ): Promise<WireRow> {
    const { group, values, signal } = request;
    const statement: FillerParts['statement'] = (key, make) => this.#statement(group, key, make);
    return fillGaps(row, gaps, { group, values, settings: this.#settings, statement, signal, ask });
  }

  #statement(group: SourceGroup, key: string, make: () => Statement): Statement {
    return keptIn(this.#kept(group).statements, key, make);
  }

  #kept(group: SourceGroup): Kept {
    return keptIn(this.#groups, group, newKept);
  }
}

function newKept(): Kept {
  return { statements: new FewKept(KEPT_STATEMENTS), gaps: new Map() };
}
