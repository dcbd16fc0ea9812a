import { isRecord } from './json/is-record.ts';
import type { SourceName, TableRef } from './names.ts';

/** A member of a row rule by the name that it has now: what is `_and` was once `$and`. */
export function ruleMember(key: string): string {
  return key.replace(/^\$/, '_');
}

/** The relationship whose rows a member of that name counts. */
export function aggregatedBy(key: string): string {
  return key.replace(/_aggregate$/, '');
}

/** What an `_exists` of a row rule says: some row of this table satisfies the condition. */
export interface ExistsRule {
  readonly source: SourceName;
  readonly table: TableRef;
  readonly where: unknown;
}

/**
 * Reads an `_exists`. Its `_table` is named as in Hasura, within the rule's own source, or with a `source` beside schema
 * and name. Null when it names no table, has no `_where`, or says anything else.
 */
export function readExists(value: unknown, home: SourceName): ExistsRule | null {
  if (!isRecord(value)) return null;
  const { _table, _where, ...others } = value;
  const named = readTable(_table);
  if (named === null || _where === undefined || Object.keys(others).length > 0) return null;
  const { source, table } = named;
  return { source: source ?? home, table, where: _where };
}

function readTable(value: unknown): { readonly source: SourceName | null; readonly table: TableRef } | null {
  if (typeof value === 'string') return { source: null, table: { schema: 'public', name: value } };
  if (!isRecord(value)) return null;
  const { source = null, schema = 'public', name, ...others } = value;
  if (Object.keys(others).length > 0) return null;
  if (source !== null && typeof source !== 'string') return null;
  return typeof schema === 'string' && typeof name === 'string' ? { source, table: { schema, name } } : null;
}
