import { conditionsOfAggregate, placesBelow, placesOfField } from '../../plan/places-in.ts';
import type {
  AggregateField,
  Field,
  Join,
  OrderItem,
  OrderStep,
  Param,
  PlanTable,
  Predicate,
  RootField,
  Select,
} from '../../plan/plan.ts';
import { and } from '../../plan/predicates.ts';
import { amongKeys } from '../../plan/root/entities.ts';
import type { ChainLevel } from '../../sql/live/join-keys.ts';
import { allRows, joinedConditions } from '../../sql/rows/rows.ts';
import { normalForms } from '../../sql/rows/sharing.ts';
import { placeOf, type RelatedField } from '../../sql/shape/gap.ts';
import { type Above, lastOf, TOP } from './chain.ts';
import type { FetchedRows } from './fetched-rows.ts';
import type { Fetcher } from './fetcher.ts';
import { FilterRun } from './filter-run.ts';
import { isHandedOver } from './handed-over.ts';
import type { LeafStore } from './leaf-store.ts';
import { sideBySide } from './limits.ts';
import {
  cutPerKey,
  cutsBeforeComputing,
  type KeyedLookup,
  lookupAgain,
  lookupOf,
  rightNames,
} from './lookup.ts';

/** Rows that a filter has joined, and that an ordering or the selection may use again. */
interface Found {
  readonly join: Join;
  readonly place: PlanTable;
  readonly conditions: ReadonlySet<string>;
}

/** The rows whose fields are being fetched. */
interface Shown {
  readonly place: PlanTable;
  readonly chain: readonly ChainLevel[];
  readonly found: readonly Found[];
}

/**
 * Fetches what the final statement will look at, place by place: first for filters, then for orderings, then for the
 * selection; parents before children. Fetched rows may be more than needed, never fewer, so the statement gives the same over
 * them as over the whole tables.
 */
export class LiveRun {
  readonly #isLive: (place: PlanTable) => boolean;
  readonly #fetcher: Fetcher;
  readonly #store: LeafStore;
  readonly #params: readonly Param[];
  readonly #filters: FilterRun;

  constructor(parts: {
    readonly isLive: (place: PlanTable) => boolean;
    readonly fetcher: Fetcher;
    readonly store: LeafStore;
    readonly params: readonly Param[];
  }) {
    this.#isLive = parts.isLive;
    this.#fetcher = parts.fetcher;
    this.#store = parts.store;
    this.#params = parts.params;
    this.#filters = new FilterRun(parts);
  }

  /** Fetches everything below a root field. */
  async root(root: RootField): Promise<void> {
    switch (root.kind) {
      case 'list':
      case 'one':
      case 'stream':
        return this.#select(root.select, TOP);
      case 'entities': {
        const where = and([amongKeys(root), root.select.where]);
        return this.#select({ ...root.select, where }, TOP);
      }
      case 'aggregate':
        return this.#aggregate(root.aggregate.rows, root.aggregate.fields, TOP);
      case 'object':
        return sideBySide(root.fields.map((field) => this.root(field)));
      default:
        return;
    }
  }

  /** A select whose own rows are there already: in the source, or fetched before. */
  async #select(select: Select, above: Above): Promise<void> {
    if (this.#filters.isComputed(select.from) && !placesBelow(select).some(this.#isLive)) return;
    const chain = await this.#rows(select, above);
    const rows = { place: select.from, chain, found: this.#foundBy(select) };
    await sideBySide(select.fields.map((field) => this.#field(field, rows)));
  }

  async #aggregate(rows: Select, fields: readonly AggregateField[], above: Above): Promise<void> {
    const chain = await this.#rows(rows, above);
    const shown = { place: rows.from, chain, found: [] };
    const nodes = fields.flatMap((field) => (field.kind === 'nodes' ? field.fields : []));
    const rules = fields.flatMap(conditionsOfAggregate);
    await sideBySide([
      ...nodes.map((node) => this.#field(node, shown)),
      ...rules.map((rule) => this.#filters.decide(rule, chain)),
    ]);
  }

  /** Fetches what decides which rows the select has, and returns the way down to exactly these rows. */
  async #rows(select: Select, above: Above): Promise<readonly ChainLevel[]> {
    await this.#filters.decideAll(select, above);
    const found = this.#foundBy(select);
    const rules = select.distinctOn.flatMap(({ onlyIf }) => onlyIf ?? []);
    if (select.orderBy.length + rules.length > 0) {
      const candidates = this.#filters.candidates(select, above);
      await sideBySide([
        ...select.orderBy.map((item) => this.#order(item, candidates, found)),
        ...rules.map((rule) => this.#filters.decide(rule, candidates)),
      ]);
    }
    // Fetched rows are those of all parents together, but the select's limit is for each parent.
    const rows = this.#isLive(select.from) ? allRows(select.from, select.where) : { ...select, fields: [] };
    return [...above.chain, { rows, join: above.join }];
  }

  async #order(item: OrderItem, candidates: readonly ChainLevel[], found: readonly Found[]): Promise<void> {
    let chain = candidates;
    for (const [at, step] of item.path.entries()) {
      // An aggregate reads its rows through their own filter, even when the same rows were joined by another filter.
      const isJoined = item.by.kind === 'column' || at < item.path.length - 1;
      const isShared = at === 0 && isJoined && this.#shareFound(step.join, step.to, step.where, found);
      if (!isShared) await this.#step(step, chain);
      const rows = { from: step.to, where: step.where };
      chain = this.#isLive(step.to)
        ? this.#filters.candidates(rows, TOP)
        : [...chain, { rows: allRows(step.to, step.where), join: step.join }];
    }
    if (item.by.kind !== 'count' && item.by.onlyIf !== null)
      await this.#filters.decide(item.by.onlyIf, chain);
  }

  async #step(step: OrderStep, chain: readonly ChainLevel[]): Promise<void> {
    const { to, where, join } = step;
    if (!this.#isLive(to)) return this.#filters.decideAll({ from: to, where }, { chain, join });
    const lookup = lookupOf(to, where, join, lastOf(chain));
    this.#store.put(to, await this.#fetcher.byKeysOf(lookup, chain), rightNames(lookup));
    if (!lookup.filtered) await this.#filters.decideAll({ from: to, where }, TOP);
  }

  async #field(field: Field, { place, chain, found }: Shown): Promise<void> {
    if (field.kind === 'constant' || !placesOfField(field).some(this.#isLive)) return;
    if (field.kind === 'column') {
      if (field.onlyIf !== null) await this.#filters.decide(field.onlyIf, chain);
      return;
    }
    if (field.kind === 'object' && this.#shareFound(field.join, field.select.from, field.select.where, found))
      return this.#select(field.select, TOP);
    const to = placeOf(field);
    if (this.#isLive(to) && isHandedOver(field, to.source))
      return this.#store.leaveOpen({ field, left: place });
    if (field.kind !== 'aggregate')
      return this.#select(field.select, await this.#fetched(field, field.select, chain));
    const { rows, fields } = field.aggregate;
    return this.#aggregate(rows, fields, await this.#fetched(field, rows, chain));
  }

  /** Fetches the rows of a selected relationship by the keys of exactly the rows that show it. */
  async #fetched(field: RelatedField, select: Select, chain: readonly ChainLevel[]): Promise<Above> {
    const { join } = field;
    const place = select.from;
    if (!this.#isLive(place)) return { chain, join };
    const whole = lookupOf(place, select.where, join, lastOf(chain));
    const perKey = whole.filtered ? cutPerKey(field, select) : null;
    const isCutHere = whole.filtered && perKey === null && cutsBeforeComputing(select);
    const lookup = { ...whole, perKey, computes: isCutHere ? [] : whole.computes };
    this.#store.put(place, await this.#fetcher.byKeysOf(lookup, chain), rightNames(lookup));
    if (isCutHere) this.#store.replace(place, await this.#computed(whole, chain, select));
    return TOP;
  }

  /** Rows with their computed columns: only the rows left when each key's are cut, unless these have too many keys. */
  async #computed(whole: KeyedLookup, chain: readonly ChainLevel[], select: Select): Promise<FetchedRows> {
    const shown = lookupAgain(whole.place, whole.computes, whole.filtered);
    const cut = { rows: { ...select, fields: [] }, join: whole.join };
    const keys = await this.#fetcher.keys(shown, [...chain, cut], false);
    return keys === null ? this.#fetcher.byKeysOf(whole, chain) : this.#fetcher.byKeys(shown, keys);
  }

  /**
   * Rows that the filter has joined to every row that it lets through: the statement uses them again where it can. Not where the
   * fetched rows are filtered already: for these it joins nothing.
   */
  #foundBy(select: Select): readonly Found[] {
    if (this.#store.isFiltered(select.from)) return [];
    return joinedConditions(select).flatMap(({ join, to, where }) =>
      this.#isLive(to) && this.#store.has(to)
        ? [{ join, place: to, conditions: normalForms(where, to, this.#params) }]
        : [],
    );
  }

  /** Whether the place's rows are among those that a filter has joined; then the place shares them. */
  #shareFound(join: Join, place: PlanTable, where: Predicate, found: readonly Found[]): boolean {
    if (!this.#isLive(place)) return false;
    const wanted = normalForms(where, place, this.#params);
    const same = found.find(
      (candidate) =>
        candidate.join.name === join.name &&
        [...wanted].every((condition) => candidate.conditions.has(condition)),
    );
    if (same === undefined) return false;
    this.#store.share(place, same.place);
    return true;
  }
}
