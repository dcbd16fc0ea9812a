import type { Column } from '../../catalog/catalog.ts';
import { baseType, type Operator } from '../../catalog/conditions/operators.ts';
import type { SourceName } from '../../core/names.ts';
import { computedIn } from '../../plan/computed-parts.ts';
import { filtersOfRoot, placesIn } from '../../plan/places-in.ts';
import type { ColumnComparison, Join, OrderItem, PlanTable, Predicate, RootField } from '../../plan/plan.ts';
import { conditionsIn, conjuncts } from '../../plan/predicates.ts';
import { isLeaky } from '../../sql/condition/leaky.ts';
import { isCaseless } from '../../sql/live/folded-keys.ts';

/** Ids of the places of a root field whose rows are chosen by their own database alone when they are fetched. */
export function filteredThere(root: RootField): ReadonlySet<number> {
  const there = filtersOfRoot(root).filter(({ place, where }) => isDecidedThere(place, where));
  return new Set(there.map(({ place }) => place.id));
}

/** The part of a filter that a database can decide from its own tables; the rest, decided elsewhere, only narrows further. */
export function decidableAt(where: Predicate, at: SourceName, row: PlanTable): Predicate {
  const parts = conjuncts(where);
  return safely(parts, (part) => isDecidableAt(part, at, row));
}

/** Whether a database can decide a filter alone, and decides it just as the source would. */
export function isDecidableAt(where: Predicate, at: SourceName, row: PlanTable): boolean {
  if (placesIn(where).some((place) => place.source !== at)) return false;
  const known = new Set([row.id, ...placesIn(where).map((place) => place.id)]);
  return leavesOf(where).every((leaf) => decidesAlike(leaf, known));
}

/** Whether a place's own database can decide alone which of its rows a filter lets through, and what the role sees of them. */
export function isDecidedThere(place: PlanTable, where: Predicate): boolean {
  return [where, ...place.guarded.map(({ onlyIf }) => onlyIf)].every((rule) =>
    isDecidableAt(rule, place.source, place),
  );
}

/** Drops what cannot be decided yet from a filter: what is left lets at least the wanted rows through. */
export function relaxed(
  { from, where }: { readonly from: PlanTable; readonly where: Predicate },
  known: (place: PlanTable) => boolean,
  rows: ReadonlySet<number>,
): Predicate {
  const isComputed = known(from);
  return safely(conjuncts(where), (part) => {
    const inside = placesIn(part);
    const ids = new Set([...rows, ...inside.map((place) => place.id)]);
    const isKnown = inside.every(known) && (isComputed || computedIn(part).length === 0);
    return isKnown && leavesOf(part).every((leaf) => refersTo(leaf, ids));
  });
}

/**
 * The wanted parts of a filter. Unless all are wanted, conditions that may fail are left out too: they could fail in rows
 * that the other parts hide.
 */
function safely(parts: readonly Predicate[], isWanted: (part: Predicate) => boolean): Predicate {
  const wanted = parts.filter(isWanted);
  return {
    kind: 'and',
    of: wanted.length === parts.length ? wanted : wanted.filter((part) => !isLeaky(part)),
  };
}

/** The conditions of a predicate, those on related rows and what they ask of these included. */
function leavesOf(where: Predicate): readonly Predicate[] {
  return conditionsIn(where).flatMap((leaf) => ('to' in leaf ? [leaf, ...leavesOf(leaf.where)] : [leaf]));
}

function refersTo(leaf: Predicate, ids: ReadonlySet<number>): boolean {
  return leaf.kind !== 'compare-columns' || ids.has(leaf.other.table);
}

const RANGES: ReadonlySet<string> = new Set(['gt', 'lt', 'gte', 'lte']);

/** Their result depends on the locale: which characters are letters, and which are the same letter. */
const BY_LOCALE: ReadonlySet<string> = new Set([
  'ilike',
  'nilike',
  'similar',
  'nsimilar',
  'regex',
  'nregex',
  'iregex',
  'niregex',
  'jsonb_path_exists',
  'jsonb_path_match',
  'matches',
  'matches_any',
  'matches_fulltext',
] satisfies Operator[]);

/** They match single characters, so their result depends only on how long a character is in the encoding. */
const BY_CHARACTER: ReadonlySet<string> = new Set(['like', 'nlike'] satisfies Operator[]);

/** Text is ordered by each database's own collation, and a type that the source lacks is compared as text there. */
function decidesAlike(leaf: Predicate, known: ReadonlySet<number>): boolean {
  switch (leaf.kind) {
    case 'compare-columns':
      return known.has(leaf.other.table) && !isLoose(leaf.other.column) && comparesAlike(leaf);
    case 'compare':
      return comparesAlike(leaf) && !(RANGES.has(leaf.operator) && leaf.cast !== null);
    case 'exists':
      return joinsByBytes(leaf.join);
    case 'exists-aggregate':
      return joinsByBytes(leaf.join) && !(leaf.distinct && leaf.columns.some(isLoose));
    default:
      return true;
  }
}

function comparesAlike({ column, operator }: Pick<ColumnComparison, 'column' | 'operator'>): boolean {
  const isSorted = RANGES.has(operator) && sortsApart(column) && !isOfExtension(column);
  return !isLoose(column) && !isSorted && !isByLocale(column, operator);
}

function isByLocale({ ownLocale }: Column, operator: string): boolean {
  if (ownLocale === 'characters' && BY_CHARACTER.has(operator)) return true;
  return ownLocale !== undefined && BY_LOCALE.has(operator);
}

/** An extension orders the values of its own types alike everywhere, but for texts; a source without it compares none of them. */
function isOfExtension({ type }: Column): boolean {
  const { kind, category, schema } = baseType(type);
  return kind === 'base' && category !== 'S' && schema !== 'pg_catalog';
}

/** Whether no key of a join takes unlike texts for equal, as only its own database would. */
export function joinsByBytes({ on }: Join): boolean {
  return !on.some(({ left, right }) => isLoose(left) || isLoose(right));
}

/** Whether the column's own database takes unlike texts for equal that others do not. */
export function isLoose({ loose, ownLocale, type }: Column): boolean {
  return loose === true || (ownLocale !== undefined && isCaseless(type));
}

/** Whether two databases may order the type's values differently, as they do the texts in `jsonb`. */
export function sortsApart(column: Column): boolean {
  const { schema, category, name } = baseType(column.type);
  return category === 'S' || category === 'A' || schema !== 'pg_catalog' || name === 'jsonb';
}

/** Whether a target may cut the rows of each key by itself: it then orders them as the source would. */
export function ordersAlike(orderBy: readonly OrderItem[]): boolean {
  return orderBy.every(
    (item) =>
      item.path.length === 0 &&
      item.by.kind === 'column' &&
      item.by.onlyIf === null &&
      !sortsApart(item.by.column),
  );
}
