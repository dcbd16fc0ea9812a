import { isRecord } from '../../core/json/is-record.ts';
import { MetadataError } from '../metadata-error.ts';
import type { Metadata } from '../model.ts';

/** What such a document may hold beside its tables and functions. */
const SECTIONS: readonly string[] = [
  'remote_schemas',
  'query_collections',
  'allowlist',
  'custom_types',
  'actions',
  'cron_triggers',
];

/** Whether a document is one of Hasura 1, which knew one database: of version 1, which need not be written down, or 2. */
export function isLegacy(document: unknown): document is Readonly<Record<string, unknown>> {
  if (!isRecord(document)) return false;
  const { version = 1 } = document;
  return (version === 1 || version === 2) && !('sources' in document);
}

/**
 * Such a document in today's form, not checked yet: its tables and functions are the `default` source's, whose connection stays as it
 * is. REST endpoints, which it cannot speak of, stay too; all else is replaced.
 */
export function fromLegacy(document: Readonly<Record<string, unknown>>, current: Metadata): unknown {
  const { version = 1, tables, functions = [] } = document;
  if (tables === undefined) throw new MetadataError('parse-failed', 'key "tables" not found');
  const source = current.sources.find(({ name }) => name === 'default');
  if (source === undefined) {
    const message = 'cannot import metadata without sources since no default source is defined';
    throw new MetadataError('not-supported', message);
  }
  const named = version === 1 && Array.isArray(functions);
  const tracked = named ? functions.map((name: unknown) => ({ function: name })) : functions;
  const { rest_endpoints } = current;
  return {
    version: 3,
    sources: [{ ...source, tables, functions: tracked }],
    ...Object.fromEntries(Object.entries(document).filter(([key]) => SECTIONS.includes(key))),
    ...(rest_endpoints === undefined ? {} : { rest_endpoints }),
  };
}
