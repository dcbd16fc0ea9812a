import type { JoinPair } from '../../catalog/catalog.ts';
import type { NearjoinError } from '../../core/errors.ts';
import { keptIn } from '../../core/kept-in.ts';
import type { TextValues } from '../../core/postgres/text-values.ts';
import type { StopSignal } from '../../core/waiting/stop-signal.ts';
import { Turns } from '../../core/waiting/turns.ts';
import { computedOf, guardOf, isStored } from '../../plan/computed-parts.ts';
import { placesIn, placesOfRows } from '../../plan/places-in.ts';
import type { PlanTable } from '../../plan/plan.ts';
import { conjuncts } from '../../plan/predicates.ts';
import { type About, fetchStatement } from '../../sql/live/fetch-rows.ts';
import { type ChainLevel, keysStatement } from '../../sql/live/join-keys.ts';
import type { LeafColumn, Leaves } from '../../sql/place/leaf.ts';
import { normalForms } from '../../sql/rows/sharing.ts';
import { boundValues, type Statement } from '../../sql/statement.ts';
import type { ReadSettings } from '../settings.ts';
import type { SourceGroup } from '../source-group.ts';
import { type FetchedRows, joinArrays, noRows } from './fetched-rows.ts';
import type { LeafStore } from './leaf-store.ts';
import { beyondLimit } from './limits.ts';
import type { KeyedLookup, Lookup } from './lookup.ts';
import type { LiveSessions } from './sessions.ts';

/** Different keys to look rows up by, in chunks: each is one array literal per key column. */
export interface Keys {
  readonly chunks: readonly (readonly string[])[];
  readonly count: number;
}

/** What a fetcher works with. */
export interface FetcherParts {
  readonly group: SourceGroup;
  readonly values: TextValues;
  readonly sessions: LiveSessions;
  readonly store: LeafStore;
  readonly settings: ReadSettings;
  readonly signal: StopSignal;
  readonly leaves: Leaves;
  /** Columns of a remote table that the plan reads anywhere, typed as the source holds them. */
  readonly columnsOf: (table: PlanTable) => readonly LeafColumn[];
  readonly statement: (key: string, make: () => Statement) => Statement;
}

/** Keys looked up at once. */
const CHUNK = 1000;

/** Statements that an answer may have under way: enough to keep both databases at work, and made between turns of the event loop. */
const AT_ONCE = 16;

/** Asks the source for keys and targets for rows, within the limits. */
export class Fetcher {
  readonly #parts: FetcherParts;
  readonly #turns = new Turns(AT_ONCE);
  /** What was asked along each chain. */
  readonly #keys = new WeakMap<readonly ChainLevel[], Map<string, Promise<Keys | null>>>();
  /** What was fetched by the same keys. */
  readonly #rows = new WeakMap<Keys, Map<string, Promise<FetchedRows>>>();

  constructor(parts: FetcherParts) {
    this.#parts = parts;
  }

  /**
   * The keys of a chain's rows; null when they are more than the limit. With `probe` also null when there are too many rows
   * to find out cheaply.
   */
  keys(lookup: KeyedLookup, chain: readonly ChainLevel[], probe: boolean): Promise<Keys | null> {
    const asked = keptIn(this.#keys, chain, newMap<Promise<Keys | null>>);
    const key = `${probe} ${this.#keyOf(lookup)}`;
    return keptIn(asked, key, () => this.#askKeys(lookup, chain, probe));
  }

  /** Names the keys of a chain that a look-up asks for: places that are looked up alike need the same. */
  #keyOf(lookup: KeyedLookup): string {
    const { place, join, about } = lookup;
    const { ref, source, id, call } = about ?? place;
    const of = call === undefined ? [source, ref.schema, ref.name] : [id];
    const on = join.on.map(({ left, right }) => [left.name, right.name]);
    return JSON.stringify([of, on, markedIn(lookup).map(({ column }) => column.name)]);
  }

  async #askKeys(lookup: KeyedLookup, chain: readonly ChainLevel[], probe: boolean): Promise<Keys | null> {
    const { settings } = this.#parts;
    const limit = settings.liveKeyLimit;
    const rows = await this.#inTurn(() => {
      const { store, sessions, values } = this.#parts;
      const statement = this.#keysStatement(lookup, chain, probe);
      return sessions.source(statement.text, store.bind(statement, values));
    });
    const count = rows.reduce((sum, row) => sum + numberIn(row[0]), 0);
    if (probe && numberIn(rows[0]?.[1]) > settings.liveProbeRows) return null;
    if (count > limit) return null;
    const chunks = count === 0 ? [] : rows.map((row) => row.slice(2).map(textOf));
    return { chunks, count };
  }

  /** Rows with these keys: the same rows for places that are looked up alike. */
  byKeys(lookup: KeyedLookup, keys: Keys): Promise<FetchedRows> {
    const key = this.#rowsKey(lookup);
    if (key === null) return this.#fetchByKeys(lookup, keys);
    return keptIn(keptIn(this.#rows, keys, newMap<Promise<FetchedRows>>), key, () =>
      this.#fetchByKeys(lookup, keys),
    );
  }

  /** Equal for look-ups that fetch the same rows by the same keys; null where only the place itself can say what it fetches. */
  #rowsKey(lookup: KeyedLookup): string | null {
    const { place, where, perKey, about, marked, filtered } = lookup;
    const isOwn = [place, ...placesIn(where)].some(
      ({ call, columns }) => call !== undefined || !columns.every(isStored),
    );
    if (isOwn || about !== null || marked) return null;
    const order = perKey?.orderBy.map(({ by, direction, nulls }) => [
      by.kind === 'column' ? by.column.name : null,
      direction,
      nulls,
    ]);
    const columns = this.#columns(lookup).map(({ name, type }) => [name, type]);
    const rows = [...normalForms(where, place, this.#parts.group.plan.params)];
    return JSON.stringify([this.#keyOf(lookup), rows, filtered, order, perKey?.limit, columns]);
  }

  async #fetchByKeys(lookup: KeyedLookup, keys: Keys): Promise<FetchedRows> {
    const columns = this.#columns(lookup);
    if (keys.count === 0) return noRows(columns, lookup.filtered);
    const { on } = lookup.join;
    const parts = await Promise.all(keys.chunks.map((chunk) => this.#fetch(lookup, on, chunk)));
    const count = parts.reduce((sum, part) => sum + part.count, 0);
    const limit = this.#parts.settings.liveRowLimit;
    if (count > limit) throw beyondLimit(lookup.place, lookup.join, `more than ${limit} rows`);
    const arrays = columns.map((_, i) => joinArrays(parts.map((part) => part.arrays[i] ?? null)));
    return { columns, count, arrays, filtered: lookup.filtered };
  }

  /** Rows with the keys of a chain's rows, which must be within the limit. */
  async byKeysOf(lookup: KeyedLookup, chain: readonly ChainLevel[]): Promise<FetchedRows> {
    const keys = await this.keys(lookup, chain, false);
    if (keys === null) throw this.unbounded(lookup);
    return this.byKeys(lookup, keys);
  }

  /** All rows that satisfy the lookup's filter; null when they are more than the limit. */
  async byFilter(lookup: Lookup): Promise<FetchedRows | null> {
    const { count, arrays } = await this.#fetch(lookup, null, []);
    if (count > this.#parts.settings.liveKeyLimit) return null;
    const columns = this.#columns(lookup);
    if (count === 0) return noRows(columns, lookup.filtered);
    return { columns, count, arrays: columns.map((_, i) => arrays[i] ?? '{}'), filtered: lookup.filtered };
  }

  /** The error for a place where both the keys and the filter would fetch more rows than the limit. */
  unbounded({ place, join }: Lookup): NearjoinError {
    const limit = this.#parts.settings.liveKeyLimit;
    return beyondLimit(place, join, `more than ${limit} rows or different keys`);
  }

  async #fetch(
    lookup: Lookup,
    on: readonly JoinPair[] | null,
    keys: readonly string[],
  ): Promise<{ readonly count: number; readonly arrays: readonly (string | null)[] }> {
    const [row] = await this.#inTurn(() => {
      const statement = this.#fetchStatement(lookup, on);
      const bound = boundValues(statement, this.#parts.values, (slot) =>
        slot.kind === 'keys' ? (keys[slot.column] ?? null) : null,
      );
      return this.#parts.sessions.target(lookup.place.source, statement.text, bound);
    });
    const count = numberIn(row?.[0]);
    return { count, arrays: (row ?? []).slice(1).map((cell) => cell?.toString('utf8') ?? null) };
  }

  #inTurn<T>(ask: () => Promise<T>): Promise<T> {
    return this.#turns.take(ask, this.#parts.signal);
  }

  #keysStatement(lookup: KeyedLookup, chain: readonly ChainLevel[], probe: boolean): Statement {
    const { group, settings, leaves, store } = this.#parts;
    const { join, place } = lookup;
    const marks = markedIn(lookup);
    const names = marks.map(({ column }) => column.name);
    const read = [...chain.flatMap(placesOf), ...marks.flatMap(({ onlyIf }) => placesIn(onlyIf))];
    const leavesRead = store.keyOf(read.map(({ id }) => id));
    const key = `keys ${place.id} ${probe} ${chain.map(describe).join(' ')} ${names.join()}\n${leavesRead}`;
    return this.#parts.statement(key, () =>
      keysStatement({
        source: group.source,
        chain,
        on: join.on,
        marks: marks.map(({ onlyIf }) => onlyIf),
        held: this.#held(lookup).columns,
        limit: settings.liveKeyLimit,
        rowLimit: probe ? settings.liveProbeRows + 1 : null,
        chunk: CHUNK,
        params: group.plan.params,
        leaves,
      }),
    );
  }

  #fetchStatement(lookup: Lookup, on: readonly JoinPair[] | null): Statement {
    const { group, settings } = this.#parts;
    const { place } = lookup;
    const columns = this.#columns(lookup);
    const types = columns.map(({ name, type }) => `${name} ${type}`).join();
    return this.#parts.statement(
      `fetch ${place.id} ${on?.map(({ right }) => right.name).join()} ${lookup.marked} ${types}`,
      () =>
        fetchStatement({
          table: place,
          columns,
          about: lookup.about === null ? null : this.#held(lookup),
          on,
          marked: markedIn(lookup).map(({ column }) => column),
          where: lookup.where,
          perKey: lookup.perKey,
          limit: on === null ? settings.liveKeyLimit : settings.liveRowLimit,
          params: group.plan.params,
        }),
    );
  }

  /** The place whose rows the keys are of, as the source holds it. */
  #held(lookup: Lookup): About {
    const { place, about } = lookup;
    return about === null
      ? { table: place, columns: this.#columns(lookup) }
      : { table: about, columns: this.#parts.columnsOf(about) };
  }

  /** The columns to fetch. While computed ones are left out, what tells rows apart is fetched, to ask for them later. */
  #columns({ place, computes }: Lookup): readonly LeafColumn[] {
    const isLeft = ({ name }: LeafColumn): boolean =>
      computedOf(place).some((one) => one.name === name) && !computes.some((one) => one.name === name);
    const columns = this.#parts.columnsOf(place).filter((column) => !isLeft(column));
    if (computedOf(place).length === computes.length) return columns;
    const more = place.identity.filter(({ name }) => !columns.some((column) => column.name === name));
    return [...columns, ...more.map(({ name }) => ({ name, type: 'text' }))];
  }
}

/** The computed columns that the source has marked as wanted in some rows only. */
function markedIn({ place, computes, marked }: Lookup): PlanTable['guarded'] {
  return computes.flatMap((column) => {
    const onlyIf = marked ? guardOf(place, column) : null;
    return onlyIf === null ? [] : [{ column, onlyIf }];
  });
}

function placesOf({ rows }: ChainLevel): readonly PlanTable[] {
  return [rows.from, ...placesOfRows(rows)];
}

/** Names a level: within one plan the same places, with the same leaves and as many conditions, mean the same statement. */
function describe({ rows }: ChainLevel): string {
  const cut = rows.limit === null ? '' : `l${rows.limit}`;
  return `${rows.from.id}${rows.orderBy.length > 0 ? 'o' : ''}${cut}w${conjuncts(rows.where).length}`;
}

function newMap<T>(): Map<string, T> {
  return new Map();
}

function numberIn(cell: Buffer | null | undefined): number {
  return cell === null || cell === undefined ? 0 : Number(cell.toString('latin1'));
}

function textOf(cell: Buffer | null): string {
  return cell?.toString('utf8') ?? '{}';
}
