import type { Column } from '../../catalog/catalog.ts';
import type { SelectPermission } from '../../catalog/part/select-permission.ts';
import type { Predicate } from '../plan.ts';
import type { Planning, Rows } from '../planning.ts';
import { and, not, or, TRUE } from '../predicates.ts';
import { showingPermissions } from '../role/visible.ts';
import { planRule } from './rule.ts';

/** Which rows the role may see, at the place they are read. */
export function permittedRows(planning: Planning, { view, place }: Rows): Predicate {
  if (view.permissions.length === 0) return TRUE;
  return place.permit(anyOf(planning, { view, place }, view.permissions));
}

/**
 * Null, or what must hold for a cell to be shown: only roles made of several hide single cells. The same cell has one
 * guard with one set of parameters, so that expressions over it are equal where Postgres wants them to be.
 */
export function cellGuard(planning: Planning, rows: Rows, column: Column): Predicate | null {
  const showing = showingPermissions(rows.view, column);
  if (showing === null) return null;
  const key = `${rows.place.id}/${column.name}`;
  const known = planning.guards.get(key);
  const guard = known ?? anyOf(planning, rows, showing);
  planning.guards.set(key, guard);
  const isNew = known === undefined && guard.kind !== 'true';
  if (isNew && column.computed !== undefined) rows.place.guard(column, guard);
  return guard.kind === 'true' ? null : guard;
}

/** A column at a place, as the role sees it. */
export interface ColumnAt extends Rows {
  readonly column: Column;
}

/**
 * A condition on a cell that may be hidden, when the cell is to compare like a null: neither the condition nor its
 * negation lets a hidden one through. `negated` says whether an odd number of `_not` stand around it, counted from
 * the innermost relationship.
 */
export function guarded(
  planning: Planning,
  { column, ...rows }: ColumnAt,
  condition: Predicate,
  negated: boolean,
): Predicate {
  const guard = cellGuard(planning, rows, column);
  if (guard === null) return condition;
  const shown: Predicate = { kind: 'is-true', of: guard };
  if (condition.kind === 'is-null' && !condition.negated) return or([not(shown), condition]);
  return negated && condition.kind !== 'is-null' ? or([not(shown), condition]) : and([shown, condition]);
}

function anyOf(planning: Planning, { place }: Rows, permissions: readonly SelectPermission[]): Predicate {
  return or(permissions.map(({ filter }) => planRule(planning, place, filter)));
}
