import type { ColumnType } from '../catalog/catalog.ts';

/** `text`. */
export const TEXT: ColumnType = builtIn(25, 'text', 'text', 'S', 'String');

/** `bigint`. */
export const BIGINT: ColumnType = builtIn(20, 'int8', 'bigint', 'N', 'bigint');

/** `integer`. */
export const INTEGER: ColumnType = builtIn(23, 'int4', 'integer', 'N', 'Int');

/** `boolean`. */
export const BOOLEAN: ColumnType = builtIn(16, 'bool', 'boolean', 'B', 'Boolean');

/** A type that lives beside another of the same extension: `lquery` beside `ltree`. */
export function siblingType(type: ColumnType, name: string): ColumnType {
  const dot = type.sql.lastIndexOf('.');
  const sql = dot < 0 ? name : `${type.sql.slice(0, dot + 1)}${name}`;
  return { oid: 0, name, schema: type.schema, sql, kind: 'base', category: 'U', element: null, scalar: name };
}

function builtIn(oid: number, name: string, sql: string, category: string, scalar: string): ColumnType {
  return { oid, name, schema: 'pg_catalog', sql, kind: 'base', category, element: null, scalar };
}
