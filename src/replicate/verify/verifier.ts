import type { Comparison } from '../../../connectors/connector.ts';
import type { FeedLease } from '../../cache/feed/row.ts';
import {
  claimVerification,
  finishVerification,
  idleMs,
  remainingOf,
  requestVerification,
  saveReport,
  type TableVerification,
  type Verification,
} from '../../cache/feed/verification.ts';
import type { Queryable } from '../../cache/queryable.ts';
import { readGeneration } from '../../cache/table/serving.ts';
import { type Generation, loadStoredTables, type StoredTable } from '../../cache/table/stored.ts';
import { must } from '../../core/assert.ts';
import type { Log } from '../../core/log.ts';
import { sameTable } from '../../core/names.ts';
import { sqlStateOf } from '../../core/postgres/sql-state.ts';
import type { RowKey } from '../../core/rows/compared-rows.ts';
import type { BackgroundVerification } from '../feed-options.ts';
import { say } from '../say.ts';
import { applicationName, withSession } from '../session.ts';
import { comparePieces, type ReadPace, USUAL_PACE } from './compare-table.ts';
import { lookAgain, type Settled, settle } from './settle.ts';
import { openSides, type Sides, type VerifyScene } from './sides.ts';

/** What the comparisons of a streaming feed need. */
export interface VerifierOptions extends VerifyScene {
  readonly sourceUrl: string;
  readonly leader: string;
  readonly lease: FeedLease;
  readonly control: Queryable;
  readonly log: Log;
  readonly background: BackgroundVerification | null;
}

const POLL_MS = 500;
const TELL_EVERY_MS = 500;
/** Rows that seemed to differ are judged so many at a time. */
const SETTLE_ROWS = 2_000;
/** A copy with more wrong rows is to be made anew, not mended row by row. */
const MOST_DIFFERING = 10_000;
const KEYS_TOLD = 20;
const UNDEFINED_TABLE = '42P01';

/** Compares the cache with its target when asked to, and now and then unasked, while the stream goes on. */
export class Verifier {
  readonly #options: VerifierOptions;
  #isComparing = false;

  constructor(options: VerifierOptions) {
    this.#options = options;
  }

  /** A comparison is under way. */
  get isComparing(): boolean {
    return this.#isComparing;
  }

  /** Ends with the signal; a comparison under way is made again by the next run. */
  async run(stop: AbortSignal): Promise<void> {
    const { control, lease, clock, log } = this.#options;
    while (!stop.aborted) {
      const claimed = await claimVerification(control, lease);
      if (claimed === null) {
        await this.#askUnasked();
        await clock.delay(POLL_MS, stop);
        continue;
      }
      this.#isComparing = true;
      const { reason, report } = await this.#verify(claimed, stop);
      if (stop.aborted) return;
      this.#isComparing = false;
      await finishVerification(control, lease, claimed, { reason, report });
      const differing = report.reduce((sum, table) => sum + remainingOf(table), 0);
      const fields = { id: claimed.id, tables: report.length, differing, reason };
      if (differing > 0 || reason !== null) log.warn(fields, 'cache compared with its target');
      else log.info(fields, 'cache compared with its target');
    }
  }

  async #askUnasked(): Promise<void> {
    const { background, control, lease } = this.#options;
    if (background === null) return;
    const ms = await idleMs(control, lease.target);
    if (ms !== null && ms < background.everyMs) return;
    const { repair, rowsPerSecond } = background;
    await requestVerification(control, lease.target, { tables: null, repair, rowsPerSecond });
  }

  async #verify(asked: Verification, stop: AbortSignal): Promise<Pick<Verification, 'reason' | 'report'>> {
    const { control, lease, connector, sourceUrl, leader } = this.#options;
    const stored = await loadStoredTables(control, lease.target);
    const wanted = stored.filter(
      ({ table }) => asked.tables === null || asked.tables.some((one) => sameTable(one, table)),
    );
    const run = new Run(this.#options, asked, wanted);
    const settings = { enable_hashjoin: 'off', enable_mergejoin: 'off' };
    const session = { url: sourceUrl, applicationName: applicationName(leader), settings };
    try {
      await withSession(session, stop, async (client) => {
        const comparison = await connector.compare(stop);
        try {
          for (const table of wanted) await run.table(table, { comparison, client }, stop);
        } finally {
          comparison.close();
        }
      });
      return { reason: null, report: run.report };
    } catch (error) {
      return { reason: say(error), report: run.report };
    }
  }
}

/** One comparison of several tables. */
class Run {
  readonly #options: VerifierOptions;
  readonly #asked: Verification;
  readonly #report: TableVerification[];
  #toldMs = 0;

  constructor(options: VerifierOptions, asked: Verification, tables: readonly StoredTable[]) {
    this.#options = options;
    this.#asked = asked;
    this.#report = tables.map(({ table, rowsEstimated }) => ({
      ...table,
      state: 'waiting',
      reason: null,
      rows_compared: 0,
      rows_estimated: rowsEstimated,
      insert: 0,
      update: 0,
      delete: 0,
      repaired: 0,
      unsettled: 0,
      keys: { insert: [], update: [], delete: [] },
    }));
  }

  get report(): readonly TableVerification[] {
    return this.#report;
  }

  /** A table that cannot be compared does not keep the others from it; the stop and a lost connection do. */
  async table(
    stored: StoredTable,
    { comparison, client }: { readonly comparison: Comparison; readonly client: Queryable },
    stop: AbortSignal,
  ): Promise<void> {
    const read = readGeneration(stored);
    if (read?.exists !== true) return this.#tell(stored, { state: 'skipped', reason: whyNot(stored) });
    await this.#tell(stored, { state: 'comparing' });
    try {
      const reason = await this.#compare(await openSides(read, comparison, client), stop);
      await this.#tell(stored, { state: reason === null ? 'compared' : 'failed', reason });
    } catch (error) {
      if (stop.aborted) throw error;
      const isReplaced = sqlStateOf(error) === UNDEFINED_TABLE;
      const told = isReplaced
        ? ({ state: 'skipped', reason: 'its copy was replaced meanwhile' } as const)
        : ({ state: 'failed', reason: say(error) } as const);
      await this.#tell(stored, told);
    }
  }

  /** Null when the table was looked at to its end. */
  async #compare(sides: Sides, stop: AbortSignal): Promise<string | null> {
    const compared = { scene: this.#options, sides };
    let open: RowKey[] = [];
    let isTooMuch = false;
    const judgeOpen = async (): Promise<void> => {
      const keys = open.splice(0);
      this.#add(sides.stored, await settle(compared, keys, this.#asked.repair, stop));
    };
    const pace = paceOf(this.#asked.rowsPerSecond);
    await comparePieces(
      compared,
      {
        pace,
        onRows: async (rows) => {
          this.#set(sides.stored, { rows_compared: this.#of(sides.stored).rows_compared + rows });
          await this.#tellNowAndThen();
        },
        onSuspects: async (keys) => {
          open = [...open, ...(await lookAgain(compared, keys, stop))];
          if (open.length >= SETTLE_ROWS) await judgeOpen();
          const { insert, update, delete: gone } = this.#of(sides.stored);
          isTooMuch = insert + update + gone >= MOST_DIFFERING;
          return !isTooMuch;
        },
      },
      stop,
    );
    await judgeOpen();
    return isTooMuch ? `more than ${MOST_DIFFERING} rows differ; the rest was not compared: resync it` : null;
  }

  #add(stored: Generation, { differing, repaired, unsettled }: Settled): void {
    const before = this.#of(stored);
    const keysOf = (difference: keyof TableVerification['keys']): readonly RowKey[] =>
      [...differing.values()].filter((each) => each.difference === difference).map(({ key }) => key);
    const [insert, update, gone] = [keysOf('insert'), keysOf('update'), keysOf('delete')];
    this.#set(stored, {
      insert: before.insert + insert.length,
      update: before.update + update.length,
      delete: before.delete + gone.length,
      repaired: before.repaired + repaired,
      unsettled: before.unsettled + unsettled,
      keys: {
        insert: [...before.keys.insert, ...insert].slice(0, KEYS_TOLD),
        update: [...before.keys.update, ...update].slice(0, KEYS_TOLD),
        delete: [...before.keys.delete, ...gone].slice(0, KEYS_TOLD),
      },
    });
  }

  #of({ table }: Pick<StoredTable, 'table'>): TableVerification {
    return must(
      this.#report.find((each) => sameTable(each, table)),
      'a table of the report',
    );
  }

  #set({ table }: Pick<StoredTable, 'table'>, fields: Partial<TableVerification>): void {
    const at = this.#report.findIndex((each) => sameTable(each, table));
    const before = this.#report[at];
    if (before !== undefined) this.#report[at] = { ...before, ...fields };
  }

  async #tell(stored: Pick<StoredTable, 'table'>, fields: Partial<TableVerification>): Promise<void> {
    this.#set(stored, fields);
    await this.#save();
  }

  async #tellNowAndThen(): Promise<void> {
    if (this.#options.clock.monotonicMs() - this.#toldMs >= TELL_EVERY_MS) await this.#save();
  }

  async #save(): Promise<void> {
    const { clock, control, lease } = this.#options;
    this.#toldMs = clock.monotonicMs();
    await saveReport(control, lease, this.#asked.id, this.#report);
  }
}

/** A background comparison reads little at a time; it shall not be felt. */
function paceOf(rowsPerSecond: number | null): ReadPace {
  if (rowsPerSecond === null) return USUAL_PACE;
  const pageRows = Math.max(100, Math.min(USUAL_PACE.pageRows, rowsPerSecond));
  return { pageRows, pagesAtOnce: 1, rowsPerSecond };
}

function whyNot({ state, serving }: StoredTable): string {
  if (serving !== null || state.kind === 'ready') return 'its cache table was dropped';
  return state.kind === 'failed' ? `it is not cached: ${state.reason}` : `it is being copied (${state.kind})`;
}
