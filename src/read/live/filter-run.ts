import type { Column } from '../../catalog/catalog.ts';
import type { NearjoinError } from '../../core/errors.ts';
import { callsForRow, computedIn, computedOf, guardOf } from '../../plan/computed-parts.ts';
import { placesIn } from '../../plan/places-in.ts';
import type { Join, PlanTable, Predicate, Select } from '../../plan/plan.ts';
import { and, conditionsIn, conjuncts, TRUE } from '../../plan/predicates.ts';
import { computingOrder } from '../../sql/condition/leaky.ts';
import type { ChainLevel } from '../../sql/live/join-keys.ts';
import { allRows } from '../../sql/rows/rows.ts';
import { type Above, lastOf, leafLevel, TOP } from './chain.ts';
import { isDecidableAt, relaxed } from './decidable.ts';
import type { FetchedRows } from './fetched-rows.ts';
import type { Fetcher } from './fetcher.ts';
import type { LeafStore } from './leaf-store.ts';
import { limitError, sideBySide } from './limits.ts';
import { isKeyed, type Lookup, lookupAgain, lookupOf, reversed, rightNames } from './lookup.ts';

/**
 * So many conditions of a filter are decided one after the other, each among the rows that those before it let through; what is left is
 * decided side by side. Statements in which very many conditions narrow the rows would cost more than they save.
 */
const NARROWING = 16;

type Exists = Extract<Predicate, { kind: 'exists' }>;
type Filtered = Pick<Select, 'from' | 'where'>;

/**
 * Fetches the rows that filters look at. Which rows of a place are fetched is decided by the first of these that stays within
 * the limit: the keys of few parents, the place's own filter, its filter's conditions further down, the keys of many parents.
 */
export class FilterRun {
  readonly #isLive: (place: PlanTable) => boolean;
  readonly #fetcher: Fetcher;
  readonly #store: LeafStore;

  constructor(parts: {
    readonly isLive: (place: PlanTable) => boolean;
    readonly fetcher: Fetcher;
    readonly store: LeafStore;
  }) {
    this.#isLive = parts.isLive;
    this.#fetcher = parts.fetcher;
    this.#store = parts.store;
  }

  /**
   * Fetches what a filter's conditions look at. Each condition that is decided leaves fewer rows to the others, so one that goes
   * beyond the limit is tried again after the others.
   */
  async decideAll(filtered: Filtered, above: Above): Promise<void> {
    const { from } = filtered;
    if (!this.#isLive(from)) return this.#decideParts(conjuncts(filtered.where), filtered, above);
    if (this.#store.isFiltered(from)) return;
    const others = conjuncts(filtered.where).filter((part) => !callsForRow(part));
    await this.#decideParts(others, filtered, above);
    await this.#compute(filtered);
  }

  async #decideParts(given: readonly Predicate[], filtered: Filtered, above: Above): Promise<void> {
    let parts = given.filter((part) => placesIn(part).some(this.#isLive));
    for (;;) {
      const beyond: { readonly part: Predicate; readonly error: NearjoinError }[] = [];
      const steps = [...parts.slice(0, NARROWING).map((part) => [part]), parts.slice(NARROWING)];
      for (const step of steps.filter(({ length }) => length > 0)) {
        const candidates = this.candidates(filtered, above);
        const errors = await Promise.all(step.map((part) => limitError(this.decide(part, candidates))));
        step.forEach((part, i) => {
          const error = errors[i] ?? null;
          if (error !== null) beyond.push({ part, error });
        });
      }
      const [first] = beyond;
      if (first === undefined) return;
      if (beyond.length === parts.length) throw first.error;
      parts = beyond.map(({ part }) => part);
    }
  }

  /** The way to the rows that the filter may let through, by the conditions that can be decided so far. */
  candidates({ from, where }: Filtered, above: Above): readonly ChainLevel[] {
    const outer = new Set(above.chain.map((level) => level.rows.from.id));
    outer.add(from.id);
    const decided = relaxed({ from, where }, (place) => this.#isKnown(place), outer);
    return [...above.chain, { rows: allRows(from, decided), join: above.join }];
  }

  /** Fetches what one condition on the last rows of a chain looks at. */
  async decide(predicate: Predicate, chain: readonly ChainLevel[]): Promise<void> {
    const works = conditionsIn(predicate).flatMap((condition) => {
      if (condition.kind === 'exists' || condition.kind === 'exists-aggregate')
        return [this.#related(condition, condition.join, chain)];
      return condition.kind === 'exists-table' ? [this.#related(condition, null, [])] : [];
    });
    await sideBySide(works);
  }

  #isKnown(place: PlanTable): boolean {
    return !this.#isLive(place) || (this.#store.has(place) && this.isComputed(place));
  }

  /** Whether every computed column of a place's rows has been fetched. */
  isComputed(place: PlanTable): boolean {
    return !this.#isLive(place) || computedOf(place).every((column) => this.#store.holds(place, column));
  }

  /**
   * Fetches the computed columns that were left out until the filter of their rows could be decided. Those that a condition
   * reads are fetched for the rows that the conditions before it let through; the rest for rows that pass the whole filter.
   */
  async #compute(filtered: Filtered): Promise<void> {
    const { from, where } = filtered;
    for (const { onlyIf } of from.guarded) await this.decide(onlyIf, this.candidates(filtered, TOP));
    const parts = computingOrder(from, where);
    for (const [i, part] of parts.entries()) {
      if (!callsForRow(part)) continue;
      await this.#refetch(filtered, parts.slice(0, i), computedIn(part));
      await this.decide(part, passing(from, parts.slice(0, i)));
    }
    await this.#refetch(filtered, parts, computedOf(from));
  }

  /** Fetches the rows that satisfy these parts of their filter once more, with these columns computed. */
  async #refetch(
    { from, where }: Filtered,
    parts: readonly Predicate[],
    wanted: readonly Column[],
  ): Promise<void> {
    const isThere = (column: Column): boolean => this.#store.holds(from, column);
    if (wanted.every(isThere)) return;
    const first = wanted.flatMap((column) => computedIn(guardOf(from, column) ?? TRUE));
    await this.#refetch({ from, where }, parts, first);
    const computes = computedOf(from).filter((column) => isThere(column) || wanted.includes(column));
    const chain = passing(from, parts);
    const isAll = chain.every(({ rows }) => conjuncts(rows.where).length === conjuncts(where).length);
    const rows = await this.#fetcher.byKeysOf(lookupAgain(from, computes, isAll), chain);
    this.#store.replace(from, rows);
  }

  async #related(
    { to, where }: Pick<Exists, 'to' | 'where'>,
    join: Join | null,
    chain: readonly ChainLevel[],
  ): Promise<void> {
    if (!this.#isLive(to)) {
      if (placesIn(where).some(this.#isLive)) await this.decideAll({ from: to, where }, { chain, join });
      return;
    }
    const lookup = lookupOf(to, where, join, lastOf(chain));
    if (this.#store.has(to)) return this.#belowFetched(lookup, where);
    const rows = await this.#bounded(lookup, where, chain);
    if (rows === null) throw this.#fetcher.unbounded(lookup);
    await this.#take(lookup, where, rows);
  }

  async #take(lookup: Lookup, where: Predicate, rows: FetchedRows): Promise<void> {
    this.#store.put(lookup.place, rows, rightNames(lookup));
    await this.#belowFetched(lookup, where);
  }

  async #belowFetched({ place, filtered }: Lookup, where: Predicate): Promise<void> {
    if (!filtered) await this.decideAll({ from: place, where }, TOP);
  }

  async #bounded(
    lookup: Lookup,
    where: Predicate,
    chain: readonly ChainLevel[],
  ): Promise<FetchedRows | null> {
    if (!isKeyed(lookup)) return (await this.#fetcher.byFilter(lookup)) ?? this.#fromBelow(lookup, where);
    if (lookup.about !== null) return this.#fetcher.byKeysOf(lookup, chain);
    const few = await this.#fetcher.keys(lookup, chain, true);
    if (few !== null) return this.#fetcher.byKeys(lookup, few);
    const found = await this.#byOwnMeans(lookup, where);
    if (found !== null) return found;
    const many = await this.#fetcher.keys(lookup, chain, false);
    return many === null ? null : this.#fetcher.byKeys(lookup, many);
  }

  /** The rows that a filter lets through, whatever parents they have; null when they are too many. */
  async #byOwnMeans(lookup: Lookup, where: Predicate): Promise<FetchedRows | null> {
    const saysSomething = conjuncts(lookup.where).length > 0;
    const found = saysSomething ? await this.#fetcher.byFilter(lookup) : null;
    return found ?? this.#fromBelow(lookup, where);
  }

  /** A condition on rows of another database is answered there first; the keys of those rows say which rows here can satisfy it. */
  async #fromBelow(lookup: Lookup, where: Predicate): Promise<FetchedRows | null> {
    for (const part of conjuncts(where)) {
      if (part.kind !== 'exists' || isDecidableAt(part, lookup.place.source, lookup.place)) continue;
      const below = await this.#wayTo(part);
      if (below === null) continue;
      const byBelow = { ...lookup, join: reversed(part.join) };
      const keys = await this.#fetcher.keys(byBelow, below, false);
      if (keys !== null) return this.#fetcher.byKeys(byBelow, keys);
    }
    return null;
  }

  /** The way to the rows that a condition asks for, found without their parents; null when they are more than the limit. */
  async #wayTo({ to, where, join }: Exists): Promise<readonly ChainLevel[] | null> {
    if (!this.#isLive(to)) {
      const isOpen = conjuncts(where).length === 0;
      const error = isOpen ? null : await limitError(this.decideAll({ from: to, where }, TOP));
      return isOpen || error !== null ? null : this.candidates({ from: to, where }, TOP);
    }
    if (to.call !== undefined) return null;
    const lookup = lookupOf(to, where, join, null);
    if (!this.#store.has(to)) {
      const rows = await this.#byOwnMeans(lookup, where);
      if (rows === null) return null;
      await this.#take(lookup, where, rows);
    }
    return [leafLevel(to)];
  }
}

/** The way to fetched rows that satisfy these conditions, as far as the conditions are about them alone. */
function passing(from: PlanTable, parts: readonly Predicate[]): readonly ChainLevel[] {
  const where = relaxed({ from, where: and(parts) }, () => true, new Set([from.id]));
  return [{ rows: allRows(from, where), join: null }];
}
