import type { TableRef } from '../../src/core/names.ts';
import type { Lsn } from '../../src/core/position/lsn.ts';
import type { Commit } from '../../src/core/rows/change.ts';
import type { ChangeStream, Connector, Published, SlotHealth } from '../connector.ts';
import { type DatabaseOptions, TargetDatabase } from './database.ts';
import { protectTables } from './publication/harm.ts';
import { ensurePublication, publishTables } from './publication.ts';
import { createSlot, readSlotHealth } from './slot.ts';
import { openStream } from './stream.ts';

/** A connector that follows a Postgres database through logical replication; connects only when it is used. */
export function postgresConnector(options: DatabaseOptions): Connector {
  return new PostgresConnector(options);
}

class PostgresConnector extends TargetDatabase implements Connector {
  readonly kind = 'postgres';

  get slot(): string {
    return this.target.name;
  }

  publish(tables: readonly TableRef[]): Promise<Published> {
    return publishTables(this.admin, tables);
  }

  protect(): Promise<readonly TableRef[]> {
    return protectTables(this.admin);
  }

  createSlot(signal: AbortSignal): Promise<Lsn> {
    const older = (): Promise<void> => ensurePublication(this.admin);
    return this.while(signal, (until) => createSlot(this.admin, older, until));
  }

  slotHealth(): Promise<SlotHealth> {
    return readSlotHealth(this.admin, this.slot);
  }

  open(after: Lsn, last: Commit | null, signal: AbortSignal, isEarly = false): Promise<ChangeStream> {
    const committed = (mustWait: boolean): void => this.askAhead(mustWait);
    const from = { applied: { upTo: after, last }, isEarly, committed };
    return this.while(signal, (until) => openStream(this.admin, from, until));
  }
}
