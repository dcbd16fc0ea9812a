import type { StoredTable } from '../../cache/table/stored.ts';
import { type TableRef, tableKey } from '../../core/names.ts';
import { orStopped } from '../../core/waiting/or-stopped.ts';
import { Turns } from '../../core/waiting/turns.ts';
import { savePending } from '../table/generations.ts';
import type { Cacheable, Sized } from '../table/reconcile.ts';
import { Beginnings, beginLarge } from './beginnings.ts';
import { mergeCopy } from './merge.ts';
import { copyParts } from './parts.ts';
import { copyPieces, copySizes } from './pieces.ts';
import { gatherStatistics } from './statistics.ts';
import { tellIfLong, withSnapshot } from './waiting.ts';
import { copyWhole } from './whole.ts';
import { type CopierOptions, type CopyWork, isResumable } from './work.ts';

/** A copy that could not be made; the others are not affected. */
export interface FailedCopy {
  readonly table: TableRef;
  readonly error: unknown;
  /** Another try can continue where this one ended. */
  readonly resumable: boolean;
}

/** A copy that an earlier try left unfinished. */
export interface Unfinished {
  readonly stored: StoredTable;
  readonly wanted: Cacheable;
}

interface UnderWay {
  readonly table: TableRef;
  /** Its place among those that wait to read from the target. */
  readonly place: number;
  readonly stop: AbortController;
  rows: number;
  /** A later try can continue where this one ends. */
  isKept: boolean;
  done: Promise<FailedCopy | null>;
}

/** Makes copies of target tables while the stream of changes goes on. */
export class Copier {
  readonly #options: CopierOptions;
  readonly #underWay = new Map<string, UnderWay>();
  /** The places of copies that were stopped, for the copies that replace them. */
  readonly #places = new Map<string, number>();
  readonly #beginnings = new Beginnings();
  readonly #reading: Turns;
  readonly #building = new Turns(1);

  constructor(options: CopierOptions) {
    this.#options = options;
    this.#reading = new Turns(options.parallel);
  }

  /** Tables whose copy is under way, by key. */
  underWay(): ReadonlySet<string> {
    return new Set(this.#underWay.keys());
  }

  /** Rows copied so far, of copies under way that have begun. */
  rowsCopied(): readonly { readonly table: TableRef; readonly rows: number }[] {
    return [...this.#underWay.values()].filter(({ rows }) => rows > 0);
  }

  /** Stops the copy of a table, and waits until it has ended. */
  async cancel(table: TableRef): Promise<void> {
    const found = this.#underWay.get(tableKey(table));
    this.#underWay.delete(tableKey(table));
    if (found === undefined) return;
    this.#places.set(tableKey(table), found.place);
    found.stop.abort(new Error('the copy is not wanted any more'));
    await found.done;
  }

  /** Copies the tables, each ready on its own, once the stream has settled; returns those that failed. */
  async copy(
    tables: readonly Sized[],
    signal: AbortSignal,
    isSettled: boolean,
  ): Promise<readonly FailedCopy[]> {
    const { exclusively, lease, means } = this.#options;
    means.sessions.prepare(Math.min(tables.length, this.#options.parallel));
    const settled = isSettled ? Promise.resolve() : this.#settled(signal);
    settled.catch(() => undefined); // each copy fails by it
    const noted = exclusively((client) => savePending(client, lease.target, tables));
    const each = tables.map((wanted) =>
      this.#start(wanted.table, signal, async (work) => {
        await noted;
        await tellIfLong(work, { target: lease.target, table: wanted.table }, orStopped(settled, work.stop));
        await work.onStep?.('copy:settled');
        const filled = await this.#fill(wanted, work);
        work.onKept();
        await finish(filled, work);
      }),
    );
    this.#places.clear();
    return failuresOf(await Promise.all(each));
  }

  /**
   * Waits until the stream has passed what must not reach an overlay, since an overlay wins over the copy: transactions that
   * were in progress when a table was published, of which only a part is streamed, and changes from before a column was added.
   */
  async #settled(signal: AbortSignal): Promise<void> {
    const { connector, applied } = this.#options;
    await connector.outlast(signal);
    await applied(await connector.position(), signal);
    signal.throwIfAborted();
  }

  /** Continues the copy of a large table, or of parts of one. */
  async resume(
    { stored, wanted: { indexes } }: Unfinished,
    signal: AbortSignal,
  ): Promise<readonly FailedCopy[]> {
    const make = async (work: CopyWork): Promise<void> => {
      work.onKept();
      if (stored.parts !== null) {
        const settled = (): Promise<void> => tellIfLong(work, stored, this.#settled(work.stop));
        return await finish(await copyParts(stored, settled, work), work);
      }
      work.onRows(stored.cursor?.rows ?? 0);
      const large = { stored, indexes, since: work.progress.applied };
      await finish(await copyPieces(large, work), work);
    };
    return failuresOf([await this.#start(stored.table, signal, make)]);
  }

  /** Brings a table filled by an earlier process to the state of the watermark and makes it ready. */
  async merge(stored: StoredTable, signal: AbortSignal): Promise<readonly FailedCopy[]> {
    const make = async (work: CopyWork): Promise<void> => {
      work.onKept();
      await finish(stored, work);
    };
    return failuresOf([await this.#start(stored.table, signal, make)]);
  }

  #start(
    table: TableRef,
    run: AbortSignal,
    make: (work: CopyWork) => Promise<void>,
  ): Promise<FailedCopy | null> {
    const stop = new AbortController();
    const key = tableKey(table);
    const place = this.#places.get(key) ?? this.#reading.place();
    const job: UnderWay = { table, place, stop, rows: 0, isKept: false, done: Promise.resolve(null) };
    this.#underWay.set(key, job);
    job.done = this.#make(job, run, make);
    return job.done;
  }

  async #make(
    job: UnderWay,
    run: AbortSignal,
    make: (work: CopyWork) => Promise<void>,
  ): Promise<FailedCopy | null> {
    const work = this.#workOn(job, run);
    try {
      await make(work);
      return null;
    } catch (error) {
      // A copy that was stopped on purpose did not fail.
      if (work.stop.aborted) return null;
      return { table: job.table, error, resumable: job.isKept && isResumable(error) };
    } finally {
      if (this.#underWay.get(tableKey(job.table)) === job) this.#underWay.delete(tableKey(job.table));
      if (this.#underWay.size === 0) await this.#options.means.close();
    }
  }

  #workOn(job: UnderWay, run: AbortSignal): CopyWork {
    const onRows = (rows: number): void => {
      job.rows += rows;
    };
    const onKept = (): void => {
      job.isKept = true;
    };
    return {
      ...this.#options,
      snapshots: this.#options.means.snapshots,
      sessions: this.#options.means.sessions,
      reading: this.#reading,
      place: job.place,
      building: this.#building,
      run,
      stop: AbortSignal.any([run, job.stop.signal]),
      onRows,
      onKept,
    };
  }

  async #fill(wanted: Sized, work: CopyWork): Promise<StoredTable> {
    const { onStep, reading, place, stop } = work;
    if ((wanted.bytes ?? 0) > copySizes(work.limits).wholeBytes) {
      const begun = await reading.take(() => beginLarge(wanted, work), stop, place);
      work.onKept();
      await onStep?.('pieces:begun');
      return await copyPieces({ ...begun, indexes: wanted.indexes }, work);
    }
    return await this.#beginnings.wait(wanted, work, (turn) =>
      reading.take(
        async () => {
          const { stored, since } = await turn.begin();
          await onStep?.('copy:begun');
          return await withSnapshot({ stored, since }, work, async (snapshot) => {
            await onStep?.('copy:snapshot-taken');
            return await copyWhole(stored, wanted.indexes, snapshot, work);
          });
        },
        stop,
        place,
      ),
    );
  }
}

async function finish(filled: StoredTable, work: CopyWork): Promise<void> {
  await mergeCopy(filled, work);
  await gatherStatistics(filled, work);
}

function failuresOf(each: readonly (FailedCopy | null)[]): readonly FailedCopy[] {
  return each.filter((failed) => failed !== null);
}
