import { isStored } from '../../plan/computed-parts.ts';
import type { Field, Join, OrderItem, Param, PlanTable, Predicate, Select } from '../../plan/plan.ts';
import { conjuncts } from '../../plan/predicates.ts';
import type { RowScope, Site } from '../place/scope.ts';
import type { Sql } from '../sql.ts';

/** What tells one join of an inner select from another: the place (`PlanTable.id`) of its left row, and its relationship. */
export interface JoinStart {
  readonly place: number;
  readonly relationship: string;
}

/** A to-one join of an inner select that a filter, an ordering and the selection may use together. */
export interface SharedJoin {
  readonly start: JoinStart;
  readonly scope: RowScope;
  /** A left join: the row may be missing. */
  readonly optional: boolean;
  /** Normal forms of the conditions that the joined row satisfies. */
  readonly conditions: ReadonlySet<string>;
}

/** The FROM list of an inner select, which grows by joins. */
export interface FromList {
  readonly items: Sql[];
  readonly shared: SharedJoin[];
}

/** Where the JSON of a row is built. */
export interface ShapeSite extends Site {
  /** To-one joins that the JSON may use. */
  readonly shared: readonly SharedJoin[];
}

/** Where a filter or an ordering adds a join. */
export interface JoinSite extends Site {
  readonly from: FromList;
}

/** Where a join starts that follows a relationship from a place. */
export function startOf(left: PlanTable, { name }: Join): JoinStart {
  return { place: left.id, relationship: name };
}

/** Finds a join whose row is the same one that this relationship, under a filter with these normal forms, would give. */
export function findShared(
  shared: readonly SharedJoin[],
  { place, relationship }: JoinStart,
  formsWanted: () => ReadonlySet<string>,
): SharedJoin | undefined {
  const there = shared.filter(({ start }) => start.place === place && start.relationship === relationship);
  if (there.length === 0) return undefined;
  const wanted = formsWanted();
  return there.find(
    (join) =>
      [...wanted].every((condition) => join.conditions.has(condition)) &&
      (!join.optional || wanted.size === join.conditions.size),
  );
}

/** Whether a selection or an ordering follows the same relationship, so that a filter's join can serve it too. */
export function isFollowedElsewhere(join: Join, select: Pick<Select, 'fields' | 'orderBy'>): boolean {
  return (
    select.fields.some((field) => followsObject(field, join)) ||
    select.orderBy.some((item) => startsWith(item, join))
  );
}

function followsObject(field: Field, join: Join): boolean {
  return field.kind === 'object' && field.join.name === join.name && field.join.unique;
}

function startsWith(item: OrderItem, join: Join): boolean {
  return item.path[0]?.join.name === join.name;
}

/** The conditions of a filter in a form that is equal for equal filters at different places. */
export function normalForms(
  where: Predicate,
  place: PlanTable,
  params: readonly Param[],
): ReadonlySet<string> {
  const forms = conjuncts(where).map((part) => normalForm(part, place, params));
  // Fetched rows carry what is computed for their own place only, so no other place can use the join.
  return new Set(
    place.columns.some((column) => !isStored(column)) ? [...forms, `only at ${place.id}`] : forms,
  );
}

function normalForm(predicate: Predicate, place: PlanTable, params: readonly Param[]): string {
  return JSON.stringify(predicate, (key, value: unknown) => {
    if (key === 'column' || key === 'left' || key === 'right') return columnName(value);
    if (key === 'to') return tableName(value);
    if (key === 'table' && value === place.id) return 'self';
    if (isOperand(value)) return describeParam(params[value.index]);
    return value;
  });
}

function columnName(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'name' in value ? value.name : value;
}

function tableName(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'ref' in value && 'source' in value
    ? [value.source, value.ref]
    : value;
}

function isOperand(value: unknown): value is { kind: 'param'; index: number } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    value.kind === 'param' &&
    'index' in value
  );
}

function describeParam(param: Param | undefined): unknown {
  return param === undefined ? null : [param.from, param.type.schema, param.type.name, param.list];
}
