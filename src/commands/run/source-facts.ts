import { type FoundTable, type Introspection, isAvailable } from '../../catalog/introspection.ts';
import { type SourceName, sameTable, type TableRef, tableKey } from '../../core/names.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import { requireSource } from '../../metadata/object/edit.ts';
import type { ArgsOf } from '../command.ts';
import type { State, Tools } from './state.ts';

/** One end of a suggested relationship. */
interface End {
  readonly table: TableRef;
  readonly columns: readonly string[];
  /** On the end that holds the foreign key. */
  readonly constraint_name?: string;
}

interface Suggestion {
  readonly type: 'object' | 'array';
  readonly from: End;
  readonly to: End;
}

/** A table as `pg_get_table_info` answers it; what may be written is what the database would let its users write. */
interface TableInfo {
  readonly name: TableRef;
  readonly type: 'table' | 'view';
  readonly columns: readonly object[];
  readonly primary_key?: readonly string[];
  readonly foreign_keys?: Readonly<Record<string, object>>;
  readonly description?: string;
  readonly insertable: boolean;
  readonly updatable: boolean;
  readonly deletable: boolean;
}

/** Every table and view of a database, tracked or not, as it is now. */
export async function sourceTables(
  state: State,
  args: ArgsOf<'pg_get_source_tables'>,
  tools: Tools,
): Promise<readonly TableRef[]> {
  const found = await foundSource(state, args.source, tools);
  return [...found.tables.values()].map((table) => table.ref);
}

/** One table or view of a database, tracked or not: its columns and keys as they are now; null where there is none. */
export async function tableInfo(
  state: State,
  { source, table }: ArgsOf<'pg_get_table_info'>,
  tools: Tools,
): Promise<TableInfo | null> {
  const found = (await foundSource(state, source, tools)).tables.get(tableKey(table));
  return found === undefined ? null : describe(found);
}

function describe({ ref, kind, comment, columns, keys, foreignKeys }: FoundTable): TableInfo {
  const isTable = !kind.endsWith('view');
  const described = columns.map((column) => {
    const writable = isTable && !column.generated;
    return {
      name: column.name,
      type: column.type.sql,
      nullable: !column.notNull,
      ...(column.comment === null ? {} : { description: column.comment }),
      insertable: writable,
      updatable: writable,
    };
  });
  const primary = keys.find((key) => key.primary)?.columns ?? [];
  const referring = foreignKeys.map(({ name, columns: own, references, referencedColumns }) => [
    name,
    {
      foreign_table: references,
      column_mapping: Object.fromEntries(own.map((column, index) => [column, referencedColumns[index]])),
    },
  ]);
  return {
    name: ref,
    type: isTable ? 'table' : 'view',
    columns: described,
    ...(primary.length === 0 ? {} : { primary_key: primary }),
    ...(referring.length === 0 ? {} : { foreign_keys: Object.fromEntries(referring) }),
    ...(comment === null ? {} : { description: comment }),
    insertable: isTable,
    updatable: isTable,
    deletable: isTable,
  };
}

/** Relationships that the foreign keys between tracked tables make likely, in both directions. */
export async function suggestRelationships(
  state: State,
  args: ArgsOf<'pg_suggest_relationships'>,
  tools: Tools,
): Promise<{ readonly relationships: readonly Suggestion[] }> {
  const found = await foundSource(state, args.source, tools);
  const tracked = new Set(
    requireSource(state.metadata, args.source).tables.map(({ table }) => tableKey(table)),
  );
  const isTracked = (table: TableRef): boolean => tracked.has(tableKey(table));
  const wanted =
    args.tables === null || args.tables === undefined ? tracked : new Set(args.tables.map(tableKey));
  const all = [...found.tables.values()].filter((table) => isTracked(table.ref)).flatMap(suggestionsOf);
  const relationships = all.filter(
    ({ from, to }) => isTracked(from.table) && isTracked(to.table) && wanted.has(tableKey(from.table)),
  );
  if (!args.omit_tracked) return { relationships };
  return { relationships: relationships.filter((suggestion) => !exists(state, args.source, suggestion)) };
}

/** The database is asked anew: who lists tables has often just made one. */
async function foundSource(state: State, source: SourceName, tools: Tools): Promise<Introspection> {
  requireSource(state.metadata, source);
  await tools.watch.refresh();
  const found = tools.watch.introspection(source);
  if (found !== undefined && isAvailable(found)) return found;
  const reason = found === undefined ? 'not connected yet' : found.unavailable;
  throw new MetadataError('source-unavailable', `source "${source}" does not answer: ${reason}`);
}

function suggestionsOf(table: FoundTable): readonly Suggestion[] {
  return table.foreignKeys.flatMap((key): Suggestion[] => {
    const holder: End = { table: table.ref, columns: key.columns, constraint_name: key.name };
    const referenced: End = { table: key.references, columns: key.referencedColumns };
    const isUnique = table.keys.some((unique) =>
      unique.columns.every((column) => key.columns.includes(column)),
    );
    return [
      { type: 'object', from: holder, to: referenced },
      { type: isUnique ? 'object' : 'array', from: referenced, to: holder },
    ];
  });
}

function exists(state: State, source: SourceName, { from, to }: Suggestion): boolean {
  const table = state.catalog.sources.get(source)?.tables.get(tableKey(from.table));
  const wanted = pairsOf(from.columns, to.columns);
  return [...(table?.relationships.values() ?? [])].some((relationship) => {
    if (relationship.source !== source || !sameTable(relationship.table, to.table)) return false;
    const left = relationship.on.map((pair) => pair.left.name);
    const right = relationship.on.map((pair) => pair.right.name);
    return pairsOf(left, right) === wanted;
  });
}

function pairsOf(left: readonly string[], right: readonly string[]): string {
  return left
    .map((column, index) => JSON.stringify([column, right[index]]))
    .toSorted()
    .join();
}
