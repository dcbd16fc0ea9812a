import type { ColumnType } from '../catalog.ts';

/** `text`. */
export const TEXT: ColumnType = builtIn({
  oid: 25,
  name: 'text',
  sql: 'text',
  category: 'S',
  scalar: 'String',
});

/** `bigint`. */
export const BIGINT: ColumnType = builtIn({
  oid: 20,
  name: 'int8',
  sql: 'bigint',
  category: 'N',
  scalar: 'bigint',
});

/** `integer`. */
export const INTEGER: ColumnType = builtIn({
  oid: 23,
  name: 'int4',
  sql: 'integer',
  category: 'N',
  scalar: 'Int',
});

/** `boolean`. */
export const BOOLEAN: ColumnType = builtIn({
  oid: 16,
  name: 'bool',
  sql: 'boolean',
  category: 'B',
  scalar: 'Boolean',
});

/** `double precision`. */
export const DOUBLE: ColumnType = builtIn({
  oid: 701,
  name: 'float8',
  sql: 'double precision',
  category: 'N',
  scalar: 'float8',
});

/** `jsonpath`, which requests write as a string. */
export const JSONPATH: ColumnType = builtIn({
  oid: 4072,
  name: 'jsonpath',
  sql: 'jsonpath',
  category: 'U',
  scalar: 'String',
});

/** A type that lives beside another of the same extension: `lquery` beside `ltree`. */
export function siblingType(type: ColumnType, name: string): ColumnType {
  const dot = type.sql.lastIndexOf('.');
  const sql = dot < 0 ? name : `${type.sql.slice(0, dot + 1)}${name}`;
  return { oid: 0, name, schema: type.schema, sql, kind: 'base', category: 'U', element: null, scalar: name };
}

function builtIn(type: Pick<ColumnType, 'oid' | 'name' | 'sql' | 'category' | 'scalar'>): ColumnType {
  return { ...type, schema: 'pg_catalog', kind: 'base', element: null };
}
