import type { Operator } from '../../catalog/conditions/operators.ts';

/**
 * How an operator of GraphQL is spelled in SQL. `any` and `all` take a list of values, a pattern of `similar to` is made a regular
 * expression, and a `function` is beside the type.
 */
export interface SqlOperator {
  readonly symbol: string;
  readonly shape: 'binary' | 'any' | 'all' | 'pg_catalog.similar_to_escape' | 'function';
}

/** Postgres' spelling of each comparison. */
export const SQL_OPERATORS: Readonly<Record<Operator, SqlOperator>> = {
  eq: { symbol: '=', shape: 'binary' },
  neq: { symbol: '<>', shape: 'binary' },
  gt: { symbol: '>', shape: 'binary' },
  lt: { symbol: '<', shape: 'binary' },
  gte: { symbol: '>=', shape: 'binary' },
  lte: { symbol: '<=', shape: 'binary' },
  in: { symbol: '=', shape: 'any' },
  nin: { symbol: '<>', shape: 'all' },
  like: { symbol: '~~', shape: 'binary' },
  nlike: { symbol: '!~~', shape: 'binary' },
  ilike: { symbol: '~~*', shape: 'binary' },
  nilike: { symbol: '!~~*', shape: 'binary' },
  similar: { symbol: '~', shape: 'pg_catalog.similar_to_escape' },
  nsimilar: { symbol: '!~', shape: 'pg_catalog.similar_to_escape' },
  regex: { symbol: '~', shape: 'binary' },
  nregex: { symbol: '!~', shape: 'binary' },
  iregex: { symbol: '~*', shape: 'binary' },
  niregex: { symbol: '!~*', shape: 'binary' },
  contains: { symbol: '@>', shape: 'binary' },
  contained_in: { symbol: '<@', shape: 'binary' },
  has_key: { symbol: '?', shape: 'binary' },
  has_keys_any: { symbol: '?|', shape: 'binary' },
  has_keys_all: { symbol: '?&', shape: 'binary' },
  jsonb_path_exists: { symbol: '@?', shape: 'binary' },
  jsonb_path_match: { symbol: '@@', shape: 'binary' },
  ancestor: { symbol: '@>', shape: 'binary' },
  ancestor_any: { symbol: '@>', shape: 'any' },
  descendant: { symbol: '<@', shape: 'binary' },
  descendant_any: { symbol: '<@', shape: 'any' },
  matches: { symbol: '~', shape: 'binary' },
  matches_any: { symbol: '?', shape: 'binary' },
  matches_fulltext: { symbol: '@', shape: 'binary' },
  st_contains: { symbol: 'st_contains', shape: 'function' },
  st_crosses: { symbol: 'st_crosses', shape: 'function' },
  st_equals: { symbol: 'st_equals', shape: 'function' },
  st_intersects: { symbol: 'st_intersects', shape: 'function' },
  st_3d_intersects: { symbol: 'st_3dintersects', shape: 'function' },
  st_overlaps: { symbol: 'st_overlaps', shape: 'function' },
  st_touches: { symbol: 'st_touches', shape: 'function' },
  st_within: { symbol: 'st_within', shape: 'function' },
  st_d_within: { symbol: 'st_dwithin', shape: 'function' },
  st_3d_d_within: { symbol: 'st_3ddwithin', shape: 'function' },
  st_intersects_rast: { symbol: 'st_intersects', shape: 'function' },
  st_intersects_nband_geom: { symbol: 'st_intersects', shape: 'function' },
  st_intersects_geom_nband: { symbol: 'st_intersects', shape: 'function' },
};
