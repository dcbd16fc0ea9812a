import type { FieldNode } from 'graphql';
import type { Catalog } from '../catalog/catalog.ts';
import type { RoleName } from '../core/names.ts';
import type { Budget } from './budget.ts';
import type { ComputedColumns } from './call/computed-columns.ts';
import type { Fragments } from './operation/fragments.ts';
import type { VariableScope } from './operation/variables.ts';
import type { Params } from './params.ts';
import type { Place, Places } from './place/places.ts';
import type { Predicate } from './plan.ts';
import type { RootType, VisibleTable } from './role/visible.ts';
import type { Representations } from './value/representations.ts';

/** What the planning of one operation shares. */
export interface Planning {
  readonly catalog: Catalog;
  readonly role: RoleName;
  readonly rootType: RootType;
  readonly fragments: Fragments;
  readonly variables: VariableScope;
  readonly params: Params;
  readonly places: Places;
  readonly budget: Budget;
  readonly computed: ComputedColumns;
  /** Conditions on hidden cells by place and column. */
  readonly guards: Map<string, Guard>;
  readonly representations: Representations;
  /** Arguments of fields as texts. */
  readonly printed: WeakMap<FieldNode, string>;
}

/** The condition under which a cell is shown, and how many nodes of the budget it takes. */
export interface Guard {
  readonly guard: Predicate;
  readonly nodes: number;
}

/** A table at a place, as the role sees it. */
export interface Rows {
  readonly view: VisibleTable;
  readonly place: Place;
}

/** Where in the request we are, for messages and for the depth limit. */
export interface Position {
  readonly path: string;
  readonly depth: number;
}

/** A place inside a condition of the request, and whether an odd number of `_not` stand around it. */
export interface ConditionAt extends Position {
  readonly negated: boolean;
}

/** One level further in, after checking the limits. */
export function inside<At extends Position>(planning: Planning, at: At, member: string | number): At {
  const path = typeof member === 'number' ? `${at.path}[${member}]` : `${at.path}.${member}`;
  planning.budget.spend(path);
  planning.budget.descend(at.depth + 1, path);
  return { ...at, path, depth: at.depth + 1 };
}
