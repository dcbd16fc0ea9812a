import { isRecord } from '../../core/json/is-record.ts';
import { type Metadata, metadataSchema, type TableMetadata, tableMetadata } from '../model.ts';
import { parseWith } from '../parse-with.ts';
import { refuseDuplicates } from './duplicates.ts';
import { DOCUMENT_ORDER, inKeyOrder, TABLE_ORDER } from './key-order.ts';
import { tidyMetadata, tidyTable } from './tidy.ts';

/** Reads a metadata document of version 3 into its canonical form, its keys in the order of Hasura's export. */
export function parseMetadata(value: unknown, path = '$.args'): Metadata {
  const metadata = inKeyOrder(tidyMetadata(parseWith(metadataSchema, value, path)), DOCUMENT_ORDER);
  refuseDuplicates(metadata, path);
  return metadata;
}

/**
 * Reads stored documents one after the other. A table that has not changed since the last one is the same object again: of thousands
 * of tables a command touches a few.
 */
export class DocumentReader {
  #last: { readonly text: string; readonly metadata: Metadata } | null = null;
  /** Tables of the last document, by source and text. */
  #tables: ReadonlyMap<string, TableMetadata> = new Map();

  /** As `parseMetadata` of the text's value. */
  read(text: string): Metadata {
    if (this.#last?.text === text) return this.#last.metadata;
    const metadata = this.#parse(JSON.parse(text));
    this.#last = { text, metadata };
    return metadata;
  }

  #parse(value: unknown): Metadata {
    const lists = tableLists(value);
    if (lists === null) return parseMetadata(value, '$');
    const tables = new Map<string, TableMetadata>();
    const document = parseMetadata(lists.without, '$');
    const sources = document.sources.map((source, index) => {
      const read = (table: unknown): TableMetadata => {
        const key = `${source.name} ${JSON.stringify(table)}`;
        const known = this.#tables.get(key) ?? parseTable(table);
        tables.set(key, known);
        return known;
      };
      return { ...source, tables: (lists.bySource[index] ?? []).map(read) };
    });
    const metadata = { ...document, sources };
    refuseDuplicates(metadata, '$');
    this.#tables = tables;
    return metadata;
  }
}

/** The tables of each source, and the document without them; null for a document of another form. */
function tableLists(
  value: unknown,
): { readonly without: unknown; readonly bySource: readonly (readonly unknown[])[] } | null {
  if (!isRecord(value) || !Array.isArray(value['sources'])) return null;
  const bySource: (readonly unknown[])[] = [];
  const sources: unknown[] = [];
  for (const source of value['sources'] as readonly unknown[]) {
    if (!isRecord(source) || !Array.isArray(source['tables'])) return null;
    bySource.push(source['tables']);
    sources.push({ ...source, tables: [] });
  }
  return { without: { ...value, sources }, bySource };
}

function parseTable(value: unknown): TableMetadata {
  return inKeyOrder(tidyTable(parseWith(tableMetadata, value, '$')), TABLE_ORDER);
}
