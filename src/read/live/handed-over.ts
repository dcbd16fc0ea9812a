import type { Column, ColumnType } from '../../catalog/catalog.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import { isWrittenAlike } from '../../catalog/type/held-type.ts';
import type { SourceName } from '../../core/names.ts';
import { placesOfField } from '../../plan/places-in.ts';
import type {
  Aggregate,
  AggregateField,
  AggregateValue,
  Field,
  Join,
  PlanTable,
  Predicate,
  Select,
} from '../../plan/plan.ts';
import { byCell, byColumn } from '../../sql/rows/rows.ts';
import { placeOf, type RelatedField } from '../../sql/shape/gap.ts';
import { isDecidableAt, isLoose, joinsByBytes, ordersAlike, sortsApart } from './decidable.ts';

/**
 * Whether the target can write a related field's text by itself, byte for byte as the source would over the target's
 * rows: everything below is there, and no value is compared, ordered or printed differently in the two databases.
 */
export function isHandedOver(field: RelatedField, target: SourceName): boolean {
  // A gap is filled by key, and a call needs the whole row.
  if (placeOf(field).call !== undefined) return false;
  return placesOfField(field).every((place) => place.source === target) && isAlikeField(field, target);
}

function isAlikeField(field: Exclude<Field, { kind: 'column' }>, at: SourceName): boolean {
  switch (field.kind) {
    case 'constant':
      return true;
    case 'object':
      return joinsAlike(field.join) && isAlikeSelect(field.select, at, !field.join.unique);
    case 'array':
      return joinsAlike(field.join) && isAlikeSelect(field.select, at, true);
    case 'aggregate':
      return joinsAlike(field.join) && isAlikeAggregate(field.aggregate, at);
  }
}

function isAlikeMember(field: Field, at: SourceName, row: PlanTable): boolean {
  if (field.kind !== 'column') return isAlikeField(field, at);
  return printsAlike(field.column.type) && isVisibleAlike(field.onlyIf, at, row);
}

function isAlikeSelect(select: Select, at: SourceName, isOrdered: boolean): boolean {
  return (
    (!isOrdered || isOrderedAlike(select)) &&
    isDecidableAt(select.where, at, select.from) &&
    select.fields.every((field) => isAlikeMember(field, at, select.from))
  );
}

/** Lists of remote rows end their order with the key, and the first row of several is the one with the least key. */
function isOrderedAlike({ orderBy, distinctOn, from }: Select): boolean {
  return ordersAlike([...orderBy, ...distinctOn.map(byCell), ...from.key.map(byColumn)]);
}

function isAlikeAggregate({ rows, fields }: Aggregate, at: SourceName): boolean {
  return isAlikeSelect(rows, at, true) && fields.every((field) => isAlikeAggregated(field, at, rows.from));
}

function isAlikeAggregated(field: AggregateField, at: SourceName, row: PlanTable): boolean {
  switch (field.kind) {
    case 'constant':
      return true;
    case 'nodes':
      return field.fields.every((node) => isAlikeMember(node, at, row));
    case 'values':
      return field.values.every((value) => isAlikeValue(value, at, row));
  }
}

function isAlikeValue(value: AggregateValue, at: SourceName, row: PlanTable): boolean {
  if (value.kind === 'constant') return true;
  if (value.kind === 'count')
    return (
      !(value.distinct && value.cells.some(({ column }) => isLoose(column))) &&
      value.cells.every(({ onlyIf }) => isVisibleAlike(onlyIf, at, row))
    );
  return value.of.every(
    (member) =>
      member.kind === 'constant' || (!sortsApart(member.column) && isVisibleAlike(member.onlyIf, at, row)),
  );
}

function isVisibleAlike(rule: Predicate | null, at: SourceName, row: PlanTable): boolean {
  return rule === null || isDecidableAt(rule, at, row);
}

/** The join is one of plain values that are equal everywhere or nowhere, and an index finds its rows key by key. */
function joinsAlike(join: Join): boolean {
  return (
    join.indexed && joinsByBytes(join) && join.on.every(({ left, right }) => keysCompareAlike(left, right))
  );
}

const FAMILIES: Readonly<Record<string, string>> = {
  int2: 'whole',
  int4: 'whole',
  int8: 'whole',
  text: 'text',
  varchar: 'text',
  bool: 'bool',
  uuid: 'uuid',
  date: 'date',
  timestamp: 'timestamp',
  timestamptz: 'timestamptz',
  numeric: 'numeric',
};

function keysCompareAlike(left: Column, right: Column): boolean {
  const [one, other] = [baseType(left.type), baseType(right.type)];
  if (one.schema !== 'pg_catalog' || other.schema !== 'pg_catalog') return false;
  const family = FAMILIES[one.name];
  return family !== undefined && family === FAMILIES[other.name];
}

/** The source holds values of the type as that very type, or prints its labels the same way. */
function printsAlike(type: ColumnType): boolean {
  if (type.kind === 'domain') return type.element !== null && printsAlike(type.element);
  if (type.kind === 'array') return type.element?.kind === 'base' && printsAlike(type.element);
  return type.kind === 'enum' || isWrittenAlike(type);
}
