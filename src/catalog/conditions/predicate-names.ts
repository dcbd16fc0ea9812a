/** Aggregates of related rows that a condition may compare, by Hasura's names. */
export const PREDICATE_NAMES = [
  'avg',
  'bool_and',
  'bool_or',
  'corr',
  'count',
  'covar_samp',
  'max',
  'min',
  'stddev_samp',
  'sum',
  'var_samp',
] as const;
export type PredicateFunctionName = (typeof PREDICATE_NAMES)[number];
