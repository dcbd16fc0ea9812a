import { escapeIdentifier } from 'pg';
import type { TableRef } from '../../src/core/names.ts';

/** The table's quoted name for SQL. */
export function quoted({ schema, name }: TableRef): string {
  return `${escapeIdentifier(schema)}.${escapeIdentifier(name)}`;
}
