/**
 * Operators of an extension's types are found by the search path only, and an extension may be in any schema. Schema
 * pg_catalog is named first: where a path names it later, anybody's function could stand in for one of Postgres. One that fits the
 * types of its arguments better can even so; `operatorOf` sees to what reads values.
 */
export const FIND_OPERATORS = `
  select pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', 'pg_catalog', nullif(current_setting('search_path'), ''),
    (select string_agg(distinct pg_catalog.quote_ident(n.nspname), ', ')
      from pg_extension e join pg_namespace n on n.oid = e.extnamespace
      where n.nspname <> 'pg_catalog')), false)`;
