import { conditionsOfAggregate, placesIn, placesOfField, placesOfRows } from '../../plan/places-in.ts';
import type { Aggregate, AggregateField, Field, PlanTable, RootField, Select } from '../../plan/plan.ts';
import { type Gap, placeOf } from '../../sql/shape/gap.ts';
import { isHandedOver } from './handed-over.ts';

/**
 * The gaps of an answer that needs nothing of its live targets but to fill them; null when rows must be fetched first,
 * because a filter, an order or a text of the source depends on them.
 */
export function gapsOf(
  roots: readonly RootField[],
  isLive: (place: PlanTable) => boolean,
): readonly Gap[] | null {
  const gaps: Gap[] = [];
  return roots.every((root) => isOpenRoot(root, { isLive, gaps })) ? gaps : null;
}

interface Search {
  readonly isLive: (place: PlanTable) => boolean;
  readonly gaps: Gap[];
}

function isOpenRoot(root: RootField, search: Search): boolean {
  if (root.kind === 'object') return root.fields.every((field) => isOpenRoot(field, search));
  if (root.kind === 'aggregate') return isOpenAggregate(root.aggregate, search);
  return !('select' in root) || isOpenSelect(root.select, search);
}

function isOpenSelect(select: Select, search: Search): boolean {
  return (
    !placesOfRows(select).some(search.isLive) &&
    select.fields.every((field) => isOpenField(field, select.from, search))
  );
}

function isOpenAggregate({ rows, fields }: Aggregate, search: Search): boolean {
  return isOpenSelect(rows, search) && fields.every((field) => isOpenAggregated(field, rows.from, search));
}

function isOpenAggregated(field: AggregateField, row: PlanTable, search: Search): boolean {
  if (field.kind === 'nodes') return field.fields.every((node) => isOpenField(node, row, search));
  return !conditionsOfAggregate(field).flatMap(placesIn).some(search.isLive);
}

function isOpenField(field: Field, left: PlanTable, search: Search): boolean {
  if (field.kind === 'constant') return true;
  if (field.kind === 'column') return !placesOfField(field).some(search.isLive);
  const place = placeOf(field);
  if (search.isLive(place)) {
    search.gaps.push({ field, left });
    return isHandedOver(field, place.source);
  }
  return field.kind === 'aggregate'
    ? isOpenAggregate(field.aggregate, search)
    : isOpenSelect(field.select, search);
}
