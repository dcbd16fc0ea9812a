import type { Catalog, RootName, Source, TrackedFunction } from '../../catalog/catalog.ts';
import { ADMIN, type RoleName } from '../../core/names.ts';
import { type VisibleTable, viewOf } from './visible.ts';

/** A root field that calls a function, with its rows as the role sees them. */
export interface VisibleFunctionField {
  readonly kind: 'rows' | 'aggregate';
  readonly root: RootName;
  readonly called: TrackedFunction;
  readonly target: VisibleTable;
}

/** The root fields, the same in queries and subscriptions, that call functions of a source. */
export function functionFieldsOf(
  catalog: Catalog,
  role: RoleName,
  source: Source,
): readonly VisibleFunctionField[] {
  return [...source.functions.values()].flatMap((called) => fieldsCalling(catalog, role, called));
}

/** The root fields through which the role calls a function: it must see the rows, whatever root fields their table has. */
export function fieldsCalling(
  catalog: Catalog,
  role: RoleName,
  called: TrackedFunction,
): readonly VisibleFunctionField[] {
  if (called.exposedAs !== 'query' || !mayCall(catalog, role, called)) return [];
  const target = viewOf(catalog, role, called.rows);
  if (target === null) return [];
  const { rows, aggregate } = called.root;
  const field: VisibleFunctionField = { kind: 'rows', root: rows, called, target };
  return target.mayAggregate && aggregate !== null
    ? [field, { kind: 'aggregate', root: aggregate, called, target }]
    : [field];
}

/** A role may call what any of its parents may. */
function mayCall({ inheritedRoles }: Catalog, role: RoleName, { roles }: TrackedFunction): boolean {
  if (role === ADMIN || roles === null) return true;
  const family = new Set([role]);
  // The set grows during the loop, which then comes to what was added.
  for (const one of family) for (const parent of inheritedRoles.get(one) ?? []) family.add(parent);
  return [...family].some((one) => roles.has(one));
}
