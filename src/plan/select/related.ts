import { callOf } from '../../catalog/call/function-arguments.ts';
import { planArguments } from '../call/function-call.ts';
import type { CollectedField } from '../operation/collect.ts';
import type { Join } from '../plan.ts';
import type { Planning, Rows } from '../planning.ts';
import { looseView, type VisibleRelationship } from '../role/visible.ts';

/** The rows that the field of a relationship leads to, and what the field says of them. */
export interface Related {
  readonly join: Join;
  readonly target: Rows;
  readonly rest: CollectedField;
}

/** Follows the relationship that a selection names: to a table, or to a native query, which takes the field's `args`. */
export function followField(
  planning: Planning,
  { place }: Rows,
  field: CollectedField,
  { relationship, target }: VisibleRelationship,
): Related {
  const { query } = target.table;
  if (query === undefined) {
    const { join, to } = planning.places.follow(place, relationship, target.table);
    return { join, target: { view: target, place: to }, rest: field };
  }
  const view = looseView(planning.catalog, target);
  const { args, rest } = planArguments(planning, query, field);
  const call = { ...callOf(query.signature, args), set: true };
  const { join, to } = planning.places.follow(place, relationship, view.table, call);
  return { join, target: { view, place: to }, rest };
}
