import { unreachable } from '../../src/core/assert.ts';
import { printTable } from '../../src/core/names.ts';
import type { ColumnComparison, PlanTable, Predicate } from '../../src/plan/plan.ts';

/** A condition as text on one line. */
export function printPredicate(predicate: Predicate): string {
  switch (predicate.kind) {
    case 'true':
    case 'false':
    case 'unknown':
      return predicate.kind;
    case 'and':
    case 'or':
      return `(${predicate.of.map(printPredicate).join(` ${predicate.kind} `)})`;
    case 'not':
      return `not ${printPredicate(predicate.of)}`;
    case 'is-true':
      return `(${printPredicate(predicate.of)}) is true`;
    case 'is-null':
      return `${predicate.column.name} is ${predicate.negated ? 'not ' : ''}null`;
    case 'compare':
      return printCompare(predicate);
    case 'compare-columns':
      return `${predicate.column.name} ${predicate.operator} #${predicate.other.table}.${predicate.other.column.name}`;
    case 'exists':
      return `exists(${predicate.join.name} ${printTo(predicate.to)} where ${printPredicate(predicate.where)})`;
    case 'exists-table':
      return `exists-table(${printTo(predicate.to)} where ${printPredicate(predicate.where)})`;
    case 'exists-aggregate':
      return printExistsAggregate(predicate);
    default:
      return unreachable(predicate);
  }
}

function printCompare(predicate: ColumnComparison): string {
  const { column, cast, operator, value, also } = predicate;
  const values = [value, ...also].map(({ index }) => `$${index}`).join(', ');
  return `${column.name}${cast === null ? '' : `::${cast.name}`} ${operator} ${values}`;
}

function printExistsAggregate(predicate: Predicate & { readonly kind: 'exists-aggregate' }): string {
  const { join, to, where, columns, distinct, test } = predicate;
  const call = `${predicate.function}(${distinct ? 'distinct ' : ''}${columns.map(({ name }) => name).join(', ') || '*'})`;
  const compared =
    test.kind === 'is-null'
      ? `is ${test.negated ? 'not ' : ''}null`
      : `${test.operator} $${test.value.index}`;
  return `${call} ${compared} over (${join.name} ${printTo(to)} where ${printPredicate(where)})`;
}

function printTo({ id, source, ref, columns }: PlanTable): string {
  return `${source}.${printTable(ref)}#${id}(${columns.map(({ name }) => name).join(', ')})`;
}
