import { baseType } from '../catalog/conditions/operators.ts';
import { runsStatement } from '../plan/places-in.ts';
import type { Field, Param, RootField } from '../plan/plan.ts';
import type { Statement, Together } from './statement.ts';
import { isSplitElsewhere } from './types.ts';

/**
 * The statement that answers many requests with one row each, printed when it is first asked for; null where requests cannot
 * share an execution. Their values must be single ones, which a cast checks: lists and patterns need checks of their own.
 */
export function togetherWith(
  { roots, params }: { readonly roots: readonly RootField[]; readonly params: readonly Param[] },
  { parameters }: Statement,
  print: () => string,
): Together | null {
  const isShared =
    parameters.length > 0 &&
    parameters.every(({ kind }) => kind === 'plan') &&
    params.every(isSingle) &&
    roots.every(isShareable) &&
    // In the text of a native query names of ours may mean something else.
    !roots.some(runsStatement);
  return isShared ? printedLater(print, roots.every(isOneRow)) : null;
}

/** Most statements are never asked for twice in one turn. */
function printedLater(print: () => string, isLookUp: boolean): Together {
  let text: string | null = null;
  return {
    isLookUp,
    get text() {
      text ??= print();
      return text;
    },
  };
}

function isSingle({ pattern, list, type }: Param): boolean {
  return pattern === null && !list && baseType(type).kind !== 'array' && !isSplitElsewhere(type);
}

/**
 * Whether requests for the root may share an execution: it answers one cell, and the planner can judge the work, which it
 * cannot for functions.
 */
function isShareable(root: RootField): boolean {
  switch (root.kind) {
    case 'object':
      return root.fields.every(isShareable);
    case 'list':
    case 'one':
      return root.select.from.call === undefined;
    case 'aggregate':
      return root.aggregate.rows.from.call === undefined;
    default:
      return root.kind === 'constant';
  }
}

/** Whether a root reads one row by key and one for each relationship at most, which is less work than running a statement. */
function isOneRow(root: RootField): boolean {
  switch (root.kind) {
    case 'constant':
      return true;
    case 'one':
      return root.select.fields.every(isOneCell);
    case 'object':
      return root.fields.every(isOneRow);
    default:
      return false;
  }
}

function isOneCell(field: Field): boolean {
  switch (field.kind) {
    case 'column':
      return field.column.computed === undefined;
    case 'constant':
      return true;
    case 'object':
      return field.join.unique && field.select.fields.every(isOneCell);
    default:
      return false;
  }
}
