import { type Connector, ConnectorError, type Snapshot } from '../../connectors/connector.ts';
import { createOverlaySql, dropTableSql, type IndexWishes } from '../cache/ddl.ts';
import type { FeedLease } from '../cache/feed-row.ts';
import { overlayName, relationName } from '../cache/names.ts';
import { mergeSql, unfilledSql } from '../cache/overlay.ts';
import { type Queryable, rowOf } from '../cache/queryable.ts';
import {
  loadStoredTables,
  type StoredTable,
  saveStoredTable,
  updateStoredTable,
} from '../cache/stored-table.ts';
import { must } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import { formatLsn, maxLsn } from '../core/lsn.ts';
import { sameTable, type TableRef, tableKey } from '../core/names.ts';
import { copyRows } from './copy-rows.ts';
import { type Exclusively, nextGeneration } from './discard.ts';
import { applicationName } from './lease.ts';
import type { Progress } from './progress.ts';
import type { Cacheable } from './reconcile.ts';
import { Session } from './session.ts';
import { cacheSink, overlaySink, type Sinks } from './sink.ts';
import type { StepHook } from './steps.ts';

/** What copies of one run of a feed share. */
export interface CopierOptions {
  readonly sourceUrl: string;
  readonly leader: string;
  readonly lease: FeedLease;
  readonly connector: Connector;
  readonly exclusively: Exclusively;
  readonly sinks: Sinks;
  readonly progress: Progress;
  readonly clock: Clock;
  /** So many tables are copied at once. */
  readonly parallel: number;
  readonly onStep?: StepHook | undefined;
}

/** A copy that could not be made; the others go on. */
export interface FailedCopy {
  readonly table: TableRef;
  readonly error: unknown;
}

interface UnderWay {
  readonly table: TableRef;
  readonly stop: AbortController;
  rows: number;
  filling: Promise<void> | null;
}

interface Begun {
  readonly stored: StoredTable;
  readonly job: UnderWay;
  readonly indexes: IndexWishes;
}

/** Makes copies of target tables while the stream of changes goes on. */
export class Copier {
  readonly #options: CopierOptions;
  readonly #underWay = new Map<string, UnderWay>();
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: CopierOptions) {
    this.#options = options;
  }

  /** Tables whose copy is under way, by key. */
  underWay(): ReadonlySet<string> {
    return new Set(this.#underWay.keys());
  }

  /** Rows copied so far, of copies under way. */
  rowsCopied(): readonly { readonly table: TableRef; readonly rows: number }[] {
    return [...this.#underWay.values()].map(({ table, rows }) => ({ table, rows }));
  }

  /** Stops the copy of a table; when it was filling, waits until it has let go. */
  async cancel(table: TableRef): Promise<void> {
    const found = this.#underWay.get(tableKey(table));
    this.#underWay.delete(tableKey(table));
    found?.stop.abort(new Error('the copy is not wanted any more'));
    await found?.filling;
  }

  /** Copies the tables from one snapshot, each ready on its own; returns those that failed. */
  async copy(tables: readonly Cacheable[], signal: AbortSignal): Promise<readonly FailedCopy[]> {
    const jobs = tables.map((wanted) => this.#register(wanted.table));
    try {
      // The overlays come first: whatever is not in the snapshot will have gone through them.
      const begun = await this.#begin(tables, jobs);
      await this.#options.onStep?.('copy:overlay-created');
      return await this.#copyBegun(begun, signal);
    } catch (error) {
      if (signal.aborted) return [];
      // No snapshot, or a table of a shape we cannot make: the stream is not to blame and goes on.
      if (error instanceof ConnectorError || tables.length === 1)
        return tables.map(({ table }) => ({ table, error }));
    } finally {
      for (const job of jobs) this.#unregister(job);
    }
    // Nothing was made: each for itself, so that one table's shape does not keep the others waiting.
    const alone = await Promise.all(tables.map((wanted) => this.copy([wanted], signal)));
    return alone.flat();
  }

  async #copyBegun(begun: readonly Begun[], signal: AbortSignal): Promise<readonly FailedCopy[]> {
    const snapshot = await this.#snapshot(begun, signal);
    try {
      await this.#options.onStep?.('copy:snapshot-taken');
      return await this.#each(begun, signal, async (one, stop) => {
        await this.#fill(one, { snapshot, signal: stop });
        await this.#merge({ ...one.stored, copiedAt: snapshot.at }, stop);
      });
    } finally {
      await snapshot.close();
    }
  }

  /** Brings a table filled by an earlier process to the state of the watermark and makes it ready. */
  async merge(stored: StoredTable, signal: AbortSignal): Promise<readonly FailedCopy[]> {
    const job = this.#register(stored.table);
    try {
      return await this.#each(
        [{ stored, job, indexes: { lookups: [], mirrored: [] } }],
        signal,
        (one, stop) => this.#merge(one.stored, stop),
      );
    } finally {
      this.#unregister(job);
    }
  }

  #register(table: TableRef): UnderWay {
    const job = { table, stop: new AbortController(), rows: 0, filling: null };
    this.#underWay.set(tableKey(table), job);
    return job;
  }

  #unregister(job: UnderWay): void {
    if (this.#underWay.get(tableKey(job.table)) === job) this.#underWay.delete(tableKey(job.table));
  }

  async #merge(stored: StoredTable, signal: AbortSignal): Promise<void> {
    const { connector, exclusively, progress, sinks, onStep } = this.#options;
    // Truncating is not seen by snapshots: what was truncated before it was read is missing from the copy already, so the
    // copy may stand for no position before the end of the reading.
    const until = maxLsn(must(stored.copiedAt, 'the position of a copy'), await connector.position());
    await progress.reached(until, signal);
    signal.throwIfAborted();
    await onStep?.('copy:caught-up');
    await exclusively(async (client) => {
      signal.throwIfAborted();
      const ready = await mergeOne(client, stored);
      await onStep?.('copy:merged-uncommitted');
      sinks.set(cacheSink(ready));
    });
    await onStep?.('copy:ready');
  }

  async #begin(tables: readonly Cacheable[], jobs: readonly UnderWay[]): Promise<readonly Begun[]> {
    const { exclusively, lease, sinks } = this.#options;
    return exclusively(async (client) => {
      for (const each of tables) await createOverlay(client, lease, each);
      const stored = await loadStoredTables(client, lease.target);
      return tables.map((wanted, index) => {
        const found = must(
          stored.find((one) => sameTable(one.table, wanted.table)),
          'the row of a copy',
        );
        sinks.set(overlaySink({ ...found, overlay: must(found.overlay, 'an overlay') }));
        return { stored: found, job: must(jobs[index], 'a job'), indexes: wanted.indexes };
      });
    });
  }

  /** Takes snapshots until one is new enough for every change that was kept before it. */
  async #snapshot(begun: readonly Begun[], signal: AbortSignal): Promise<Snapshot> {
    const { connector, exclusively, sinks } = this.#options;
    for (;;) {
      const snapshot = await connector.snapshot(signal);
      const fits = await exclusively(async (client) => {
        const wanted = begun.filter(({ job }) => !job.stop.signal.aborted);
        const ok = wanted.map(({ stored }) => sinks.setCopiedAt(stored.table, snapshot.at));
        for (const { stored } of wanted)
          await updateStoredTable(client, stored, { copied_at: formatLsn(snapshot.at) });
        return !ok.includes(false);
      });
      if (fits) return snapshot;
      await snapshot.close();
    }
  }

  async #each(
    tables: readonly Begun[],
    signal: AbortSignal,
    make: (one: Begun, stop: AbortSignal) => Promise<void>,
  ): Promise<readonly FailedCopy[]> {
    const failed: FailedCopy[] = [];
    const each = async (one: Begun): Promise<void> => {
      const stop = AbortSignal.any([signal, one.job.stop.signal]);
      try {
        await this.#inTurn(() => make(one, stop), stop);
      } catch (error) {
        // A copy that was stopped on purpose did not fail.
        if (!stop.aborted) failed.push({ table: one.stored.table, error });
      }
      this.#unregister(one.job);
    };
    const running = tables.map((one) => {
      one.job.filling = each(one);
      return one.job.filling;
    });
    await Promise.all(running);
    return failed;
  }

  async #inTurn(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    while (this.#running >= this.#options.parallel)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
    try {
      signal.throwIfAborted();
      await work();
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #fill(
    { stored, job, indexes }: Begun,
    { snapshot, signal }: { readonly snapshot: Snapshot; readonly signal: AbortSignal },
  ): Promise<void> {
    const { sourceUrl, leader, lease, onStep, exclusively } = this.#options;
    const session = await Session.open({ url: sourceUrl, applicationName: applicationName(leader) });
    const stop = (): void => void session.close();
    signal.addEventListener('abort', stop);
    try {
      const onRows = (rows: number): void => {
        job.rows += rows;
      };
      const { table, relation, columns, key } = stored;
      const copy = { table, shape: { relation, columns, key }, indexes, onRows };
      const rows = await copyRows(copy, { client: session.client, lease, snapshot, onStep, signal });
      await exclusively((client) =>
        updateStoredTable(client, stored, { state: 'catching-up', rows_copied: rows }),
      );
    } finally {
      signal.removeEventListener('abort', stop);
      await session.close();
    }
  }
}

async function createOverlay(client: Queryable, { target }: FeedLease, wanted: Cacheable): Promise<void> {
  const generation = await nextGeneration(client);
  const relation = relationName(target, wanted.table, generation);
  const overlay = overlayName(target, wanted.table, generation);
  const { table, columns, key, rowsEstimated, shape } = wanted;
  await client.query(createOverlaySql(overlay, { relation, columns, key }));
  const stored = {
    target,
    table,
    relation,
    columns,
    key,
    overlay,
    rowsEstimated: Math.round(rowsEstimated),
    shape,
    generation,
  };
  await saveStoredTable(client, stored, { kind: 'copying' });
}

async function mergeOne(client: Queryable, stored: StoredTable): Promise<StoredTable> {
  const overlay = must(stored.overlay, 'an overlay');
  const { truncated } = await rowOf<{ truncated: boolean }>(
    client,
    `select overlay_truncated as truncated from nearjoin.cache_table
     where target = $1 and schema_name = $2 and table_name = $3`,
    [stored.target, stored.table.schema, stored.table.name],
  );
  const { relation, columns, key } = stored;
  const merging = { shape: { relation, columns, key }, relation: overlay };
  for (const statement of mergeSql(merging, truncated)) await client.query(statement);
  const { count } = await rowOf<{ count: number }>(client, unfilledSql(overlay));
  if (count > 0) throw new Error(`${count} changed rows were not in the copy`);
  await client.query(dropTableSql(overlay));
  await updateStoredTable(client, stored, { state: 'ready', reason: null, overlay: null });
  const now = await loadStoredTables(client, stored.target);
  return must(
    now.find((each) => sameTable(each.table, stored.table)),
    'the table that was copied',
  );
}
