import { createHash } from 'node:crypto';
import type { Column } from '../../catalog/catalog.ts';
import { must } from '../../core/assert.ts';
import { keptIn } from '../../core/kept-in.ts';
import type { TextValues } from '../../core/postgres/text-values.ts';
import type { PlanTable } from '../../plan/plan.ts';
import { createTempTable, fillTempTable, type TempTable } from '../../sql/live/temp-table.ts';
import type { FetchedLeaf } from '../../sql/place/leaf.ts';
import type { Gap } from '../../sql/shape/gap.ts';
import { boundValues, type Statement } from '../../sql/statement.ts';
import type { WireConnection } from '../wire/connection.ts';
import { PostgresError } from '../wire/failure.ts';
import type { FetchedRows } from './fetched-rows.ts';
import type { TempTables } from './temp-tables.ts';

/**
 * Classes of errors that are not about temporary tables: values, a transaction that had failed before, conflicts, cancelled
 * statements.
 */
const NOT_OF_TABLES = /^(22|25|40|57)/;

/** A temporary table could not be made or filled: there is no room for it, or a rule forbids it. */
export class TablesRefused extends Error {}

/** Where a store keeps what is too much for parameters. */
export interface StoreParts {
  readonly temps: TempTables;
  readonly connection: WireConnection;
  readonly makesTemps: boolean;
  /** Runs a statement on that session. */
  readonly run: (text: string, values: TextValues) => Promise<unknown>;
  /** Past this many rows an index is worth more than the temporary table costs. */
  readonly inlineRows: number;
}

/** What was fetched for a place. */
interface Fetched {
  readonly rows: FetchedRows;
  readonly leaf: FetchedLeaf;
  /** The columns that the rows are looked up by. */
  readonly lookup: readonly string[];
  /** Names the leaf. */
  readonly name: string;
}

/** The fetched rows of one live answer, and the leaves that read them. */
export class LeafStore {
  readonly #parts: StoreParts;
  readonly #places = new Map<number, Fetched>();
  /** By the columns that they are looked up by: places with the same rows read the same leaf. */
  readonly #kept = new Map<FetchedRows, Map<string, Fetched>>();
  readonly #uses = new Map<string, number>();
  readonly #gaps: Gap[] = [];
  readonly #filling: Promise<unknown>[] = [];
  readonly #made: string[] = [];

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  /** Takes the rows of a place. The statements that fill a temporary table are sent, and not waited for. */
  put(place: PlanTable, rows: FetchedRows, lookup: readonly string[]): void {
    const name = lookup.join();
    const kept = keptIn(this.#kept, rows, newKept);
    const fetched = keptIn(kept, name, () => {
      const leaf = this.#leafOf(place, rows, lookup);
      return { rows, leaf, lookup, name: nameOf(leaf) };
    });
    this.#places.set(place.id, fetched);
  }

  #leafOf(place: PlanTable, rows: FetchedRows, lookup: readonly string[]): FetchedLeaf {
    const { columns, filtered } = rows;
    const { inlineRows, makesTemps, temps, connection } = this.#parts;
    if (rows.count <= inlineRows || !makesTemps)
      return { kind: 'inline', place: place.id, columns, filtered };
    const table = this.#tempTable(rows, lookup);
    if (temps.claim(connection, table.name)) {
      this.#made.push(table.name);
      for (const statement of createTempTable(table)) this.#send(statement.text, []);
    }
    this.#send(fillTempTable(table, place.id).text, rows.arrays);
    return { kind: 'temp', relation: table.name, columns, filtered };
  }

  /** Takes better rows of a place, instead of those it has. */
  replace(place: PlanTable, rows: FetchedRows): void {
    this.put(place, rows, this.#places.get(place.id)?.lookup ?? []);
  }

  /** Whether the target has filtered a place's rows already. */
  isFiltered(place: PlanTable): boolean {
    return this.#places.get(place.id)?.rows.filtered ?? false;
  }

  /** Whether a place's rows have a column. */
  holds(place: PlanTable, { name }: Column): boolean {
    return this.#places.get(place.id)?.rows.columns.some((column) => column.name === name) ?? false;
  }

  /** Lets another place of the plan read the same rows. */
  share(place: PlanTable, from: PlanTable): void {
    this.#places.set(place.id, must(this.#places.get(from.id), 'rows to share'));
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
    return this.#places.has(place.id);
  }

  leaf(place: PlanTable): FetchedLeaf | undefined {
    return this.#places.get(place.id)?.leaf;
  }

  /** Names the set of leaves: for the same name, a statement is the same. */
  get key(): string {
    return this.keyOf([...this.#places.keys()]);
  }

  /** The same of the leaves of some places. */
  keyOf(places: readonly number[]): string {
    return places.map((id) => `${id}:${this.#places.get(id)?.name ?? ''}`).join('\n');
  }

  /** Values of a statement: the request's own, and fetched rows. */
  bind(statement: Statement, values: TextValues): TextValues {
    return boundValues(statement, values, (slot) => {
      if (slot.kind === 'fetched') return this.#places.get(slot.table)?.rows.arrays[slot.column] ?? null;
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

  #send(text: string, values: TextValues): void {
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

function newKept(): Map<string, Fetched> {
  return new Map();
}

function nameOf(leaf: FetchedLeaf): string {
  const columns = (): string => leaf.columns.map(({ name, type }) => `${name} ${type}`).join();
  const from = leaf.kind === 'temp' ? leaf.relation : `${leaf.place} ${columns()}`;
  return `${leaf.filtered ? 'f' : ''}${from}`;
}
