import type {
  Aggregate,
  AggregateField,
  Field,
  OrderItem,
  PlanTable,
  Predicate,
  RootField,
  Select,
} from './plan.ts';
import { conditionsIn } from './predicates.ts';

/** A place, and the filter that its rows have there. */
export interface Filtered {
  readonly place: PlanTable;
  readonly where: Predicate;
}

/** Every place that a predicate reads, however deep. */
export function placesIn(predicate: Predicate): readonly PlanTable[] {
  return filtersIn(predicate).map(({ place }) => place);
}

/** The same places with their filters. */
function filtersIn(predicate: Predicate, found: Filtered[] = []): readonly Filtered[] {
  for (const condition of conditionsIn(predicate)) {
    if (!('to' in condition)) continue;
    found.push({ place: condition.to, where: condition.where });
    filtersIn(condition.where, found);
  }
  return found;
}

/** Every place that a select reads below its own table. */
export function placesBelow(select: Select): readonly PlanTable[] {
  return filtersBelow(select).map(toPlace);
}

/** Every place that decides which rows a select has, and their order: what shows a cell orders by it too. */
export function placesOfRows(select: FindsRows): readonly PlanTable[] {
  return filtersOfRows(select).map(toPlace);
}

/** Every place of a selected field. */
export function placesOfField(field: Field): readonly PlanTable[] {
  return filtersOfField(field).map(toPlace);
}

/** Whether a root field has rows of a native query somewhere: a statement that is not ours, and may try anything. */
export function runsStatement(root: RootField): boolean {
  return filtersOfRoot(root).some(({ place }) => place.call?.statement !== undefined);
}

/** What of a select decides which rows there are, and their order. */
type FindsRows = Pick<Select, 'where' | 'orderBy' | 'distinctOn'>;

function toPlace({ place }: Filtered): PlanTable {
  return place;
}

/** Every place that a root field reads, with its filter. */
export function filtersOfRoot(root: RootField): readonly Filtered[] {
  if (root.kind === 'object') return root.fields.flatMap(filtersOfRoot);
  if (root.kind === 'aggregate') return filtersOfAggregate(root.aggregate);
  return 'select' in root ? filtersOfSelect(root.select) : [];
}

function filtersOfSelect(select: Select): readonly Filtered[] {
  return [{ place: select.from, where: select.where }, ...filtersBelow(select)];
}

function filtersBelow(select: Select): readonly Filtered[] {
  return [...filtersOfRows(select), ...select.fields.flatMap(filtersOfField)];
}

function filtersOfRows(select: FindsRows): readonly Filtered[] {
  return [
    ...filtersIn(select.where),
    ...select.orderBy.flatMap(filtersOnPath),
    ...select.distinctOn.flatMap(({ onlyIf }) => (onlyIf === null ? [] : filtersIn(onlyIf))),
  ];
}

function filtersOfField(field: Field): readonly Filtered[] {
  if (field.kind === 'column') return field.onlyIf === null ? [] : filtersIn(field.onlyIf);
  if (field.kind === 'aggregate') return filtersOfAggregate(field.aggregate);
  return 'select' in field ? filtersOfSelect(field.select) : [];
}

function filtersOfAggregate({ rows, fields }: Aggregate): readonly Filtered[] {
  const inside = fields.flatMap((field) =>
    field.kind === 'nodes'
      ? field.fields.flatMap(filtersOfField)
      : conditionsOfAggregate(field).flatMap((predicate) => filtersIn(predicate)),
  );
  return [...filtersOfSelect(rows), ...inside];
}

/** The rules under which an aggregate's columns are visible. */
export function conditionsOfAggregate(field: AggregateField): readonly Predicate[] {
  if (field.kind !== 'values') return [];
  return field.values.flatMap((value) => {
    if (value.kind === 'count') return value.cells.flatMap(({ onlyIf }) => onlyIf ?? []);
    if (value.kind === 'constant') return [];
    return value.of.flatMap((member) =>
      member.kind === 'column' && member.onlyIf !== null ? [member.onlyIf] : [],
    );
  });
}

function filtersOnPath(item: OrderItem): readonly Filtered[] {
  const rule = item.by.kind === 'count' ? null : item.by.onlyIf;
  return [
    ...item.path.flatMap(({ to, where }) => [{ place: to, where }, ...filtersIn(where)]),
    ...(rule === null ? [] : filtersIn(rule)),
  ];
}
