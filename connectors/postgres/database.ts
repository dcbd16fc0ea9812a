import type { Log } from '../../src/core/log.ts';
import type { TableRef } from '../../src/core/names.ts';
import { type Lsn, parseLsn } from '../../src/core/position/lsn.ts';
import { systemClock } from '../../src/core/waiting/clock.ts';
import { firstOf } from '../../src/core/waiting/first-of.ts';
import type { StopSignal } from '../../src/core/waiting/stop-signal.ts';
import {
  type Comparison,
  ConnectorError,
  type Observation,
  type Publishable,
  type Snapshot,
  type TableSize,
  type TargetIdentity,
} from '../connector.ts';
import { AdminPool, OwnClient, orAborted, type Query } from './client.ts';
import { openComparison } from './database/comparison.ts';
import { readSizes } from './database/estimates.ts';
import { identify } from './database/identify.ts';
import { Lookout } from './database/lookout.ts';
import { readStanding } from './database/standing.ts';
import { History } from './history.ts';
import { type Followed, NOTHING, readMark } from './publication/table-shape.ts';
import { checkTables, dropPublication } from './publication.ts';
import { DEFAULT_TIMINGS, LARGE_BYTES, type Target, type Timings } from './settings.ts';
import { sees, snapshotNow, untilEnough, untilOutlasted } from './shown.ts';
import { dropSlot } from './slot.ts';
import { openSnapshot } from './snapshot.ts';

/** Where a target is and what to call our things there. */
export interface DatabaseOptions {
  readonly url: string;
  /** Of slot and publication: lower-case letters, digits and underscores, at most 63. */
  readonly name: string;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly timings?: Partial<Timings>;
  readonly largeBytes?: number;
  /** The name of the database that is fed; null for one who only looks after the slot. */
  readonly reader?: string | null;
}

const SLOT_NAME = /^[a-z0-9_]{1,63}$/;

/** What every connector does, whichever way the target's changes come: it asks the target's database itself. */
export class TargetDatabase {
  readonly target: Target;
  readonly admin: AdminPool;
  readonly #closing = new AbortController();
  readonly #lookout: Lookout;
  /** The publication whose tables are looked at. */
  readonly #publication: string;
  /** What `check` saw last; nothing is as checked before. */
  #checked: { readonly followed: Followed; readonly mark: string | null } = { followed: NOTHING, mark: null };

  constructor(options: DatabaseOptions, publication: string = options.name) {
    if (!SLOT_NAME.test(options.name))
      throw new TypeError(`not a name for a replication slot: ${options.name}`);
    const timings = { ...DEFAULT_TIMINGS, ...options.timings };
    const { largeBytes = LARGE_BYTES } = options;
    this.target = { ...options, timings, largeBytes, reader: options.reader ?? null, history: new History() };
    this.admin = new AdminPool(this.target);
    this.#lookout = new Lookout(this.target, this.#closing.signal);
    this.#publication = publication;
  }

  async identify(): Promise<TargetIdentity> {
    const identity = await identify(this.admin, this.#closing.signal);
    this.#lookout.renew(); // as the other connections, which may lead anywhere
    return identity;
  }

  /** Open connections stay where they are when the address comes to stand for another server. */
  async strayed(): Promise<ConnectorError | null> {
    let strayed: ConnectorError | null = null;
    await firstOf(
      this.#closing.signal,
      (until) => systemClock.delay(this.target.timings.connectMs, until),
      async (until) => {
        strayed = await this.#leadsElsewhere(until);
      },
    );
    return strayed;
  }

  async #leadsElsewhere(until: StopSignal): Promise<ConnectorError | null> {
    const own = await OwnClient.open(this.target, until, { identifies: true }).catch(() => null);
    if (own === null) return null;
    try {
      await this.target.history.check(own.client);
      return null;
    } catch (error) {
      return error instanceof ConnectorError ? error : null;
    } finally {
      own.destroy();
    }
  }

  forgetIdentity(): void {
    this.target.history.expect(null);
  }

  standing(): Promise<string> {
    return readStanding(this.admin, this.#publication);
  }

  async check(tables: readonly TableRef[]): Promise<readonly Publishable[]> {
    const { judged, followed, mark } = await checkTables(this.admin, this.#publication, tables);
    this.#checked = { followed, mark };
    return judged;
  }

  sizes(tables: readonly TableRef[]): Promise<readonly TableSize[]> {
    return readSizes(this.admin, tables);
  }

  async observe(): Promise<Observation> {
    const { followed, mark } = this.#checked;
    const query: Query = (sql, values, name) => this.admin.rows(sql, values, name);
    const now = await readMark(query, this.#publication, followed);
    return { position: parseLsn(now.position), isAsChecked: now.mark === mark };
  }

  /** Drops our slot and publication, if there are any; a slot of the same name that another database has since is that one's. */
  async drop(): Promise<void> {
    await dropSlot(this.admin, 'here');
    await dropPublication(this.admin);
  }

  async position(): Promise<Lsn> {
    const { lsn } = await this.admin.row<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn');
    return parseLsn(lsn);
  }

  forceFlush(): Promise<void> {
    return this.admin.forceFlush();
  }

  snapshot(signal: AbortSignal, readers = 1): Promise<Snapshot> {
    return this.while(signal, (until) => openSnapshot(this.admin, readers, until));
  }

  /**
   * Transactions have come, and their writers will ask whether the target shows them: at once, or (`mustWait`) when much that is
   * ahead of them is written.
   */
  askAhead(mustWait: boolean): void {
    this.#lookout.askAhead(mustWait);
  }

  async shown(xids: readonly number[], signal: AbortSignal): Promise<void> {
    const look = (): Promise<string> => this.#lookout.now();
    const isEnough = (snapshot: string): boolean => sees(snapshot, xids);
    if (isEnough(await this.#lookout.newest())) return;
    const limitMs = this.target.timings.statementMs;
    // The lookout ends with the database.
    await orAborted(untilEnough({ look, isEnough, limitMs, signal }), signal);
  }

  outlast(signal: AbortSignal): Promise<void> {
    const look = (): Promise<string> => snapshotNow(this.admin);
    return this.while(signal, (until) => untilOutlasted({ look, signal: until }));
  }

  compare(signal: AbortSignal): Promise<Comparison> {
    return this.while(signal, (until) => openComparison(this.target, until));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.admin.close();
  }

  /** Work that ends with the caller's signal, and when the database is closed. */
  async while<T>(signal: AbortSignal, work: (until: AbortSignal) => Promise<T>): Promise<T> {
    const until = AbortSignal.any([signal, this.#closing.signal]);
    if (until.aborted) throw new ConnectorError('retry', 'stopped before it began');
    return await orAborted(work(until), until);
  }
}
