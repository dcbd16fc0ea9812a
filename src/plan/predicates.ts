import type { Column } from '../catalog/catalog.ts';
import type { Operator } from '../catalog/conditions/operators.ts';
import type { Operand, Predicate } from './plan.ts';

/** Always holds. */
export const TRUE: Predicate = { kind: 'true' };

/** Never holds. */
export const FALSE: Predicate = { kind: 'false' };

/** SQL's unknown: neither it nor its negation holds. */
export const UNKNOWN: Predicate = { kind: 'unknown' };

/** The column as it is, compared with one value. */
export function compare(column: Column, operator: Operator, value: Operand): Predicate {
  return { kind: 'compare', column, operator, value, also: [], cast: null };
}

/** All of them; nested conjunctions are flattened and what always holds is left out. */
export function and(of: readonly Predicate[]): Predicate {
  const parts = of
    .flatMap((part) => (part.kind === 'and' ? part.of : [part]))
    .filter(({ kind }) => kind !== 'true');
  if (parts.some(({ kind }) => kind === 'false')) return FALSE;
  const [first] = parts;
  if (first === undefined) return TRUE;
  return parts.length === 1 ? first : { kind: 'and', of: parts };
}

/** The parts of a predicate that must all hold. */
export function conjuncts(predicate: Predicate): readonly Predicate[] {
  if (predicate.kind === 'true') return [];
  return predicate.kind === 'and' ? predicate.of.flatMap(conjuncts) : [predicate];
}

/** The single conditions that a predicate combines; what one on related rows asks of these is inside it. */
export function conditionsIn(predicate: Predicate): readonly Predicate[] {
  switch (predicate.kind) {
    case 'and':
    case 'or':
      return predicate.of.flatMap(conditionsIn);
    case 'not':
    case 'is-true':
      return conditionsIn(predicate.of);
    default:
      return [predicate];
  }
}

/** Whether one of these single conditions is such a one; none behind it is looked at. */
export function someConditionIn(predicate: Predicate, isSuch: (condition: Predicate) => boolean): boolean {
  switch (predicate.kind) {
    case 'and':
    case 'or':
      return predicate.of.some((part) => someConditionIn(part, isSuch));
    case 'not':
    case 'is-true':
      return someConditionIn(predicate.of, isSuch);
    default:
      return isSuch(predicate);
  }
}

/** Any of them; none is false. */
export function or(of: readonly Predicate[]): Predicate {
  const parts = of
    .flatMap((part) => (part.kind === 'or' ? part.of : [part]))
    .filter(({ kind }) => kind !== 'false');
  if (parts.some(({ kind }) => kind === 'true')) return TRUE;
  const [first] = parts;
  if (first === undefined) return FALSE;
  return parts.length === 1 ? first : { kind: 'or', of: parts };
}

/** The opposite. */
export function not(of: Predicate): Predicate {
  if (of.kind === 'true') return FALSE;
  return of.kind === 'false' ? TRUE : { kind: 'not', of };
}
