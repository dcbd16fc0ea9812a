import type { Column } from '../../catalog/catalog.ts';
import type { SelectPermission } from '../../catalog/part/select-permission.ts';
import { keptIn } from '../../core/kept-in.ts';
import type { Cell, Predicate } from '../plan.ts';
import type { Planning, Rows } from '../planning.ts';
import { and, not, or, TRUE } from '../predicates.ts';
import { showingPermissions } from '../role/visible.ts';
import { planRule } from './rule.ts';

/** The condition on rows that the role may see at this place. */
export function permittedRows(planning: Planning, { view, place }: Rows): Predicate {
  if (view.permissions.length === 0) return TRUE;
  return place.permit(anyOf(planning, { view, place }, view.permissions));
}

/**
 * What must hold for a cell to be shown; null when it always is. Only inherited roles hide single cells. A cell's guard is made
 * once, with one set of parameters: Postgres wants `distinct on` and `order by` to have equal expressions.
 */
function cellGuard(planning: Planning, rows: Rows, column: Column): Predicate | null {
  const showing = showingPermissions(rows.view, column);
  if (showing === null) return null;
  const before = planning.budget.nodes;
  const { guard, nodes } = keptIn(planning.guards, `${rows.place.id}/${column.name}`, () => {
    const made = anyOf(planning, rows, showing);
    if (made.kind !== 'true' && column.computed !== undefined) rows.place.guard(column, made);
    return { guard: made, nodes: planning.budget.nodes - before };
  });
  // It stands in the statement wherever the cell does; for the first place it was counted while it was made.
  if (planning.budget.nodes === before) planning.budget.spend('$', nodes);
  return guard.kind === 'true' ? null : guard;
}

/** A column with the condition under which the role sees its cells. */
export function cellOf(planning: Planning, rows: Rows, column: Column): Cell {
  return { column, onlyIf: cellGuard(planning, rows, column) };
}

/** A column at a place, as the role sees it. */
export interface ColumnAt extends Rows {
  readonly column: Column;
}

/**
 * A condition on a cell that may be hidden. A hidden cell compares like a null, so neither the condition nor its negation
 * may hold. `negated`: an odd number of `_not` is around the condition, inside the innermost relationship.
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
