import { overlayName } from '../../cache/names.ts';
import type { Queryable } from '../../cache/queryable.ts';
import { createTableSql } from '../../cache/table/ddl.ts';
import { loadStoredTable, type StoredTable, saveStoredTable } from '../../cache/table/stored.ts';
import { modifiersOfTypes } from '../../cache/table/type-modifiers.ts';
import { must } from '../../core/assert.ts';
import type { SourceName } from '../../core/names.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import { underNewGenerations } from '../table/generations.ts';
import type { Sized } from '../table/reconcile.ts';
import { overlaySink } from '../write/sink.ts';
import type { HeldSnapshot } from './snapshots.ts';
import { holdSnapshot } from './waiting.ts';
import type { CopyWork } from './work.ts';

/** Most copies that are begun together: the stream waits meanwhile. */
const MOST_TOGETHER = 64;
/** Most bytes to be read before a copy that is begun early: changes gather in its overlay until its own turn. */
const BYTES_TOGETHER = 32 << 20;

/** A copy that has begun: changes of its table are kept in an overlay. */
export interface Begun {
  readonly stored: StoredTable;
  /** Every change after this position is in the overlay. */
  readonly since: Lsn;
}

interface Beginning {
  readonly wanted: Sized;
  readonly work: CopyWork;
}

interface Waiting extends Beginning {
  begun: Promise<Begun> | null;
  /** The copies that were begun together with it. */
  group: Group | null;
}

/** Copies begun together. One snapshot taken afterwards serves all of them, and is held until the last has read. */
interface Group {
  left: number;
  held: Promise<HeldSnapshot> | null;
}

/**
 * Begins copies of tables that are read in one go. With a small one, the small ones waiting behind it are begun too, so that
 * they are read from one snapshot: taking a snapshot costs more than reading a small table.
 */
export class Beginnings {
  readonly #waiting: Waiting[] = [];

  /** Does the work when the copy's turn comes; the copy is begun then, or before, together with another one. */
  async wait<T>(
    wanted: Sized,
    work: CopyWork,
    inTurn: (turn: { begin(): Promise<Begun> }) => Promise<T>,
  ): Promise<T> {
    const mine: Waiting = { wanted, work, begun: null, group: null };
    this.#waiting.push(mine);
    try {
      return await inTurn({ begin: () => this.#begin(mine) });
    } finally {
      const at = this.#waiting.indexOf(mine);
      if (at >= 0) this.#waiting.splice(at, 1);
      // Once this copy has ended, it must not be begun by another one's turn.
      await mine.begun?.catch(() => undefined);
      await leave(mine.group);
    }
  }

  async #begin(mine: Waiting): Promise<Begun> {
    if (mine.begun === null) beginEach(this.#together(mine));
    const begun = await must(mine.begun, 'a beginning');
    await hold(mine, begun);
    return begun;
  }

  /** Takes this copy, and the small ones behind it, out of the queue. */
  #together(mine: Waiting): readonly Waiting[] {
    let bytes = mine.wanted.bytes ?? BYTES_TOGETHER;
    const together = [mine];
    for (const each of this.#waiting) {
      if (each === mine || each.work.stop.aborted) continue;
      bytes += each.wanted.bytes ?? BYTES_TOGETHER;
      if (bytes > BYTES_TOGETHER || together.length === MOST_TOGETHER) break;
      together.push(each);
    }
    for (const each of together) this.#waiting.splice(this.#waiting.indexOf(each), 1);
    return together;
  }
}

function beginEach(together: readonly Waiting[]): void {
  const isAlone = together.length === 1;
  const group = isAlone ? null : { left: together.length, held: null };
  const all = beginTogether(together, false);
  for (const [at, each] of together.entries()) {
    each.group = group;
    each.begun = all.then(
      (begun) => must(begun[at], 'a copy'),
      // One that cannot be begun must not keep the others from it.
      (error: unknown) => (isAlone ? Promise.reject(error) : beginOne(each, false)),
    );
    each.begun.catch(() => undefined); // told when its turn comes
  }
}

/** Keeps the snapshot that the first of the group takes, until it is old. */
async function hold({ group, work }: Waiting, begun: Begun): Promise<void> {
  if (group === null) return;
  const before = group.held;
  if (before !== null && (await before).isOld && group.held === before) {
    group.held = null;
    await (await before).release();
  }
  const held = group.held ?? holdSnapshot(work, begun, work.run);
  group.held = held;
  try {
    await held;
  } catch (error) {
    if (group.held === held) group.held = null; // the next may have more luck
    throw error;
  }
}

async function leave(group: Group | null): Promise<void> {
  if (group === null) return;
  group.left -= 1;
  if (group.left > 0 || group.held === null) return;
  const held = await group.held.catch(() => null); // whoever waited for it has the error
  await held?.release();
}

/** Begins the copy of a large table. Its cache table is made at once, which also shows that the copy can be resumed. */
export function beginLarge(wanted: Sized, work: CopyWork): Promise<Begun> {
  return beginOne({ wanted, work }, true);
}

async function beginOne(copy: Beginning, isLarge: boolean): Promise<Begun> {
  const [begun] = await beginTogether([copy], isLarge);
  return must(begun, 'a copy');
}

/** From here on changes are kept in overlays: a change is either in every snapshot taken later, or in an overlay. */
async function beginTogether(copies: readonly Beginning[], isLarge: boolean): Promise<readonly Begun[]> {
  const { exclusively, lease, progress, sinks, isOverlayMade } = must(copies[0], 'a copy').work;
  return exclusively(async (client) => {
    if (copies.length === 1) copies[0]?.work.stop.throwIfAborted();
    const tables = copies.map(({ wanted }) => wanted);
    const begun = await saveCopying(client, lease.target, tables);
    const overlays = begun.map((stored) =>
      overlaySink({ ...stored, overlay: must(stored.overlay, 'an overlay') }, false),
    );
    for (const [at, stored] of begun.entries()) {
      if (isLarge) await client.query(createTableSql(stored));
      if (isOverlayMade()) await client.query(must(overlays[at]?.ahead, 'what makes an overlay'));
    }
    for (const sink of overlays) sinks.set(sink);
    return begun.map((stored) => ({ stored, since: progress.applied }));
  });
}

/** Notes the copies; statements about one and another are sent without waiting for each other. */
async function saveCopying(
  client: Queryable,
  target: SourceName,
  tables: readonly Sized[],
): Promise<readonly StoredTable[]> {
  const noted = await underNewGenerations(client, target, tables);
  await Promise.all(
    noted.map((each) => {
      const overlay = overlayName(target, each.table, each.generation);
      return saveStoredTable(client, { ...each, overlay }, { kind: 'copying' });
    }),
  );
  return Promise.all(
    tables.map(async ({ table, columns }) => {
      const [loaded, modifiers] = await Promise.all([
        loadStoredTable(client, { target, table }),
        modifiersOfTypes(client, columns),
      ]);
      return { ...loaded, modifiers };
    }),
  );
}
