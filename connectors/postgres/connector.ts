import type { TableRef } from '../../src/core/names.ts';
import type { Lsn } from '../../src/core/position/lsn.ts';
import type { Commit } from '../../src/core/rows/change.ts';
import type {
  ChangeStream,
  Comparison,
  Connector,
  ConnectorError,
  Observation,
  Publishable,
  Published,
  SlotHealth,
  Snapshot,
  TableSize,
  TargetIdentity,
} from '../connector.ts';
import { type DatabaseOptions, TargetDatabase } from './database.ts';
import { protectTables } from './publication/harm.ts';
import { ensurePublication, publishTables } from './publication.ts';
import { createSlot, readSlotHealth } from './slot.ts';
import { openStream } from './stream.ts';

/** A connector that follows a Postgres database through logical replication; connects only when it is used. */
export function postgresConnector(options: DatabaseOptions): Connector {
  return new PostgresConnector(new TargetDatabase(options));
}

class PostgresConnector implements Connector {
  readonly kind = 'postgres';
  readonly #database: TargetDatabase;

  constructor(database: TargetDatabase) {
    this.#database = database;
  }

  get slot(): string {
    return this.#database.target.name;
  }

  identify(): Promise<TargetIdentity> {
    return this.#database.identify();
  }

  strayed(): Promise<ConnectorError | null> {
    return this.#database.strayed();
  }

  forgetIdentity(): void {
    this.#database.target.history.expect(null);
  }

  standing(): Promise<string> {
    return this.#database.standing();
  }

  check(tables: readonly TableRef[]): Promise<readonly Publishable[]> {
    return this.#database.check(tables);
  }

  sizes(tables: readonly TableRef[]): Promise<readonly TableSize[]> {
    return this.#database.sizes(tables);
  }

  observe(): Promise<Observation> {
    return this.#database.observe();
  }

  publish(tables: readonly TableRef[]): Promise<Published> {
    const { target, admin } = this.#database;
    return publishTables(target, admin, tables);
  }

  protect(): Promise<readonly TableRef[]> {
    const { target, admin } = this.#database;
    return protectTables(target, admin);
  }

  createSlot(signal?: AbortSignal): Promise<Lsn> {
    const { target, admin } = this.#database;
    const older = (): Promise<void> => ensurePublication(target, admin);
    return this.#database.while(signal, (until) => createSlot(target, admin, { signal: until, older }));
  }

  slotHealth(): Promise<SlotHealth> {
    return readSlotHealth(this.#database.admin, this.slot);
  }

  drop(): Promise<void> {
    return this.#database.dropOurs();
  }

  position(): Promise<Lsn> {
    return this.#database.position();
  }

  forceFlush(): Promise<void> {
    return this.#database.forceFlush();
  }

  open(after: Lsn, last: Commit | null, signal: AbortSignal, isEarly = false): Promise<ChangeStream> {
    const { target, admin } = this.#database;
    const committed = (mustWait: boolean): void => this.#database.askAhead(mustWait);
    const from = { applied: { upTo: after, last }, isEarly, committed };
    return this.#database.while(signal, (until) => openStream(target, admin, from, until));
  }

  outlast(signal: AbortSignal): Promise<void> {
    return this.#database.outlast(signal);
  }

  snapshot(signal: AbortSignal): Promise<Snapshot> {
    return this.#database.snapshot(signal);
  }

  shown(xids: readonly number[], signal: AbortSignal): Promise<void> {
    return this.#database.shown(xids, signal);
  }

  compare(signal: AbortSignal): Promise<Comparison> {
    return this.#database.compare(signal);
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}
