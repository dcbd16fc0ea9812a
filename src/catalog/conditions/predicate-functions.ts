import type { Json } from '../../core/json/json-text.ts';
import type { Column, ColumnType, Table } from '../catalog.ts';
import { BOOLEAN, DOUBLE, INTEGER } from './built-in-types.ts';
import { baseType } from './operators.ts';

const TRUTHS = ['bool_and', 'bool_or'] as const;
const NUMBERS = ['avg', 'max', 'min', 'stddev_samp', 'sum', 'var_samp'] as const;
const PAIRED = ['corr', 'covar_samp'] as const;

/** An aggregate of related rows that a condition may compare, by Hasura's name. */
export type PredicateFunctionName = 'count' | (typeof TRUTHS | typeof NUMBERS | typeof PAIRED)[number];

/** What one of them takes and gives. */
export interface PredicateFunction {
  readonly name: PredicateFunctionName;
  /** `columns`: any number, none included; `column`: exactly one; `pair`: one as `Y`, one as `X`. */
  readonly takes: 'columns' | 'column' | 'pair';
  /** The Postgres type its columns must have; null means any. */
  readonly over: string | null;
  readonly answers: ColumnType;
}

/** The names of a pair's members, in the order Postgres takes them. */
export const PAIR: readonly string[] = ['Y', 'X'];

/** Hasura's list: the numeric ones are for `double precision` only. */
export const PREDICATE_FUNCTIONS: readonly PredicateFunction[] = [
  { name: 'count', takes: 'columns', over: null, answers: INTEGER },
  ...TRUTHS.map((name): PredicateFunction => ({ name, takes: 'column', over: 'bool', answers: BOOLEAN })),
  ...NUMBERS.map((name): PredicateFunction => ({ name, takes: 'column', over: 'float8', answers: DOUBLE })),
  ...PAIRED.map((name): PredicateFunction => ({ name, takes: 'pair', over: 'float8', answers: DOUBLE })),
];

/** The columns a function can be applied to. */
export function argumentColumns({ over }: PredicateFunction, columns: readonly Column[]): readonly Column[] {
  return over === null ? columns : columns.filter(({ type }) => baseType(type).name === over);
}

/** The columns that a row rule's `arguments` name by their Postgres names; null when they do not fit the function. */
export function ruleArguments(
  called: PredicateFunction,
  table: Table,
  given: Json | undefined,
): readonly Column[] | null {
  const names = argumentNames(called, given);
  const found = names.flatMap(
    (name) => (typeof name === 'string' ? table.columnByName.get(name) : undefined) ?? [],
  );
  const fitting = argumentColumns(called, found);
  const wanted = { columns: names.length, column: 1, pair: 2 }[called.takes];
  return names.length === wanted && fitting.length === wanted ? fitting : null;
}

function argumentNames(called: PredicateFunction, given: Json | undefined): readonly Json[] {
  if (given === undefined) return [];
  if (called.takes !== 'pair') return Array.isArray(given) ? given : [given];
  const pair = given as { readonly [name: string]: Json } | null;
  return PAIR.map((name) => pair?.[name] ?? null);
}

/** The functions that these columns allow. */
export function predicateFunctions(columns: readonly Column[]): readonly PredicateFunction[] {
  return PREDICATE_FUNCTIONS.filter((one) => one.over === null || argumentColumns(one, columns).length > 0);
}
