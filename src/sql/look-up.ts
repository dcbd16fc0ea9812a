import type { Field, Param, RootField } from '../plan/plan.ts';
import type { Statement } from './statement.ts';

/**
 * Whether a statement reads no more than one row by key for each root field and one for each relationship: less work than
 * running it, so that several requests do better to share one execution. Lists and patterns are checked one by one.
 */
export function isLookUp(
  roots: readonly RootField[],
  params: readonly Param[],
  { parameters }: Statement,
): boolean {
  return (
    parameters.length > 0 &&
    parameters.every(({ kind }) => kind === 'plan') &&
    params.every(({ pattern, list }) => pattern === null && !list) &&
    roots.every(isOneRow)
  );
}

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
    case 'constant':
      return true;
    case 'object':
      return field.join.unique && field.select.fields.every(isOneCell);
    default:
      return false;
  }
}
