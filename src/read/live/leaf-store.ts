import { createHash } from 'node:crypto';
import type { Column } from '../../catalog/catalog.ts';
import type { PlanTable } from '../../plan/plan.ts';
import { createTempTable, fillTempTable, type TempTable } from '../../sql/live/temp-table.ts';
import type { Leaf } from '../../sql/place/leaf.ts';
import { type Gap, placeOf } from '../../sql/shape/gap.ts';
import { boundValues, type Statement } from '../../sql/statement.ts';
import type { WireConnection } from '../wire/connection.ts';
import { PostgresError } from '../wire/failure.ts';
import type { FetchedRows } from './fetched-rows.ts';

/** Most temporary tables of a session: every commit empties all of them, and takes four locks for each. */
const MOST_TABLES = 32;

/** Values, a transaction that had failed before, conflicts, and what was cancelled: these are not about temporary tables. */
const NOT_OF_TABLES = /^(22|25|40|57)/;

/** A temporary table could not be made or filled: there is no room for it, or a rule forbids it. */
export class TablesRefused extends Error {}

/** Temporary tables a session has already, so that they are made once and emptied by every commit. */
export class TempTables {
  readonly #made = new WeakMap<WireConnection, Set<string>>();

  /** Whether the table must still be created in the session; from now on it counts as created. */
  claim(connection: WireConnection, name: string): boolean {
    const names = this.#made.get(connection) ?? new Set<string>();
    this.#made.set(connection, names);
    if (names.has(name)) return false;
    names.add(name);
    return true;
  }

  /** Whether the session has more of them than it may keep; if so they count as dropped from now on. */
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

/** Where a store keeps what is too much for parameters. */
export interface StoreParts {
  readonly temps: TempTables;
  readonly connection: WireConnection;
  readonly makesTemps: boolean;
  /** Runs a statement on that session. */
  readonly run: (text: string, values: readonly (string | null)[]) => Promise<unknown>;
  /** Past this many rows an index is worth more than the temporary table costs. */
  readonly inlineRows: number;
}

/** The fetched rows of one live answer, and the leaves that read them. */
export class LeafStore {
  readonly #parts: StoreParts;
  readonly #rows = new Map<number, FetchedRows>();
  readonly #leaves = new Map<number, Leaf>();
  readonly #lookups = new Map<number, readonly string[]>();
  readonly #uses = new Map<string, number>();
  readonly #gaps: Gap[] = [];
  readonly #filling: Promise<unknown>[] = [];
  readonly #made: string[] = [];

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  /** Takes the rows of a place. The statements that fill a temporary table are sent, and not waited for. */
  put(place: PlanTable, rows: FetchedRows, lookup: readonly string[]): void {
    this.#rows.set(place.id, rows);
    this.#lookups.set(place.id, lookup);
    const { columns, filtered } = rows;
    if (rows.count <= this.#parts.inlineRows || !this.#parts.makesTemps) {
      this.#leaves.set(place.id, { kind: 'inline', columns, filtered });
      return;
    }
    const table = this.#tempTable(rows, lookup);
    this.#leaves.set(place.id, { kind: 'temp', relation: table.name, columns, filtered });
    if (this.#parts.temps.claim(this.#parts.connection, table.name)) {
      this.#made.push(table.name);
      for (const statement of createTempTable(table)) this.#send(statement.text, []);
    }
    const fill = fillTempTable(table, place.id);
    this.#send(fill.text, this.bind(fill, []));
  }

  /** Takes better rows of a place, instead of those it has. */
  replace(place: PlanTable, rows: FetchedRows): void {
    this.put(place, rows, this.#lookups.get(place.id) ?? []);
  }

  /** Whether the target has filtered a place's rows already. */
  isFiltered(place: PlanTable): boolean {
    return this.#rows.get(place.id)?.filtered ?? false;
  }

  /** Whether a place's rows have a column. */
  holds(place: PlanTable, { name }: Column): boolean {
    return this.#rows.get(place.id)?.columns.some((column) => column.name === name) ?? false;
  }

  /** Lets another place of the plan read the same rows. */
  share(place: PlanTable, from: PlanTable): void {
    const rows = this.#rows.get(from.id);
    const leaf = this.#leaves.get(from.id);
    if (rows === undefined || leaf === undefined) throw new Error('bug: rows shared before they are there');
    this.#rows.set(place.id, rows);
    this.#leaves.set(place.id, leaf);
  }

  /** Notes a field that its target will write. */
  leaveOpen(gap: Gap): void {
    this.#gaps.push(gap);
  }

  /** The fields that targets will write. */
  get gaps(): readonly Gap[] {
    return this.#gaps;
  }

  has(place: PlanTable): boolean {
    return this.#rows.has(place.id);
  }

  leaf(place: PlanTable): Leaf | undefined {
    return this.#leaves.get(place.id);
  }

  /** Names the set of leaves and gaps: for the same name, a statement is the same. */
  get key(): string {
    const one = ([id, leaf]: [number, Leaf]): string => {
      if (leaf.kind !== 'inline' && leaf.kind !== 'temp') return '';
      const from =
        leaf.kind === 'temp' ? leaf.relation : leaf.columns.map(({ name, type }) => `${name} ${type}`).join();
      return `${id}${leaf.filtered ? 'f' : ''}:${from}`;
    };
    const gaps = this.#gaps.map(({ field }) => placeOf(field).id);
    return [...[...this.#leaves].map(one), `open ${gaps.join(' ')}`].join('\n');
  }

  /** Values of a statement: the request's own, and fetched rows. */
  bind(statement: Statement, values: readonly (string | null)[]): readonly (string | null)[] {
    return boundValues(statement, values, (slot) => {
      if (slot.kind === 'fetched') return this.#rows.get(slot.table)?.arrays[slot.column] ?? null;
      throw new Error('bug: keys in a statement of the source');
    });
  }

  /** Call this when the transaction fails: the tables made in it are gone. */
  failed(): void {
    this.#parts.temps.disclaim(this.#parts.connection, this.#made);
  }

  /** Waits until all tables are filled; throws what went wrong. */
  async settled(): Promise<void> {
    try {
      await Promise.all(this.#filling);
    } catch (cause) {
      if (!(cause instanceof PostgresError) || NOT_OF_TABLES.test(cause.state)) throw cause;
      throw new TablesRefused('temporary tables are refused', { cause });
    }
  }

  #send(text: string, values: readonly (string | null)[]): void {
    const sent = this.#parts.run(text, values);
    sent.catch(() => undefined);
    this.#filling.push(sent);
  }

  #tempTable({ columns }: FetchedRows, lookup: readonly string[]): TempTable {
    const shape = createHash('sha256')
      .update(JSON.stringify([columns, lookup]))
      .digest('hex')
      .slice(0, 16);
    const use = (this.#uses.get(shape) ?? 0) + 1;
    this.#uses.set(shape, use);
    return { name: `nearjoin_${shape}_${use}`, columns, lookup };
  }
}
