import { keptIn } from '../../core/kept-in.ts';
import type { WireConnection } from '../wire/connection.ts';

/** Most temporary tables of a session: every commit empties all of them, and takes four locks for each. */
const MOST_TABLES = 32;

/** Temporary tables a session has already, so that they are made once and emptied by every commit. */
export class TempTables {
  readonly #made = new WeakMap<WireConnection, Set<string>>();

  /** Whether the table must still be created in the session; from now on it counts as created. */
  claim(connection: WireConnection, name: string): boolean {
    const names = keptIn(this.#made, connection, () => new Set());
    if (names.has(name)) return false;
    names.add(name);
    return true;
  }

  /**
   * Whether the session has more tables than it may keep. If so the caller must drop them, and they count as dropped from
   * now on.
   */
  giveUp(connection: WireConnection): boolean {
    const isFull = (this.#made.get(connection)?.size ?? 0) > MOST_TABLES;
    if (isFull) this.#made.delete(connection);
    return isFull;
  }

  /** Notes that these were not created after all: their transaction did not commit. */
  disclaim(connection: WireConnection, names: readonly string[]): void {
    for (const name of names) this.#made.get(connection)?.delete(name);
  }
}
