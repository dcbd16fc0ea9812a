import { printTable, queryRef, sameTable, type TableRef, tableKey } from '../../../core/names.ts';
import type {
  LocalRelationshipMetadata,
  ManualConfiguration,
} from '../../../metadata/model/relationships.ts';
import type { Column, JoinPair, Relationship, Table } from '../../catalog.ts';
import type { FoundForeignKey, Introspection } from '../../introspection.ts';
import type { FindTable } from '../memo.ts';
import { descriptionOf } from '../names.ts';
import { Unresolvable } from '../problems.ts';

/** What a relationship of a table can lead to: the tables and foreign keys of its own database. */
export interface LocalScope {
  readonly find: FindTable;
  readonly found: Introspection;
}

/** A relationship inside one database, over a foreign key or by hand. */
export function resolveLocal(
  left: Table,
  entry: LocalRelationshipMetadata,
  kind: Relationship['kind'],
  scope: LocalScope,
): Relationship {
  const { right, on, total } = joinOf({ left, scope }, entry.using, kind);
  const fallback = kind === 'object' ? 'An object relationship' : 'An array relationship';
  return {
    name: entry.name,
    kind,
    source: left.source,
    table: right.ref,
    on,
    unique: coversKey(right, on),
    indexed: isIndexed(right, on),
    total,
    description: descriptionOf(entry.comment, fallback),
    remote: null,
  };
}

interface From {
  readonly left: Table;
  readonly scope: LocalScope;
}

interface Joined {
  readonly right: Table;
  readonly on: readonly JoinPair[];
  readonly total: boolean;
}

function joinOf(from: From, using: LocalRelationshipMetadata['using'], kind: Relationship['kind']): Joined {
  if ('manual_configuration' in using) {
    const right = manualTarget(from, using.manual_configuration);
    const { column_mapping: mapping } = using.manual_configuration;
    return { right, on: pairs(from.left, right, Object.entries(mapping)), total: false };
  }
  const key = using.foreign_key_constraint_on;
  if (typeof key === 'object' && !Array.isArray(key)) {
    return reverse(from, key.table, 'columns' in key ? key.columns : [key.column]);
  }
  if (kind === 'array')
    throw new Unresolvable('an array relationship needs the table that holds the foreign key');
  return forward(from, typeof key === 'string' ? [key] : key);
}

function forward(from: From, columns: readonly string[]): Joined {
  const { left, scope } = from;
  const key = requiredKey(foreignKeys(scope, left.ref), columns);
  const right = trackedTable(from, key.references);
  const on = pairs(left, right, zip(key.columns, key.referencedColumns));
  return { right, on, total: key.validated && on.every((pair) => pair.left.notNull) };
}

function reverse(from: From, table: TableRef, columns: readonly string[]): Joined {
  const { left, scope } = from;
  const right = trackedTable(from, table);
  const here = foreignKeys(scope, right.ref).filter((key) => sameTable(key.references, left.ref));
  const key = requiredKey(here, columns);
  return { right, on: pairs(left, right, zip(key.referencedColumns, key.columns)), total: false };
}

/** The only foreign key over exactly these columns; a key that is declared twice counts once. */
function requiredKey(keys: readonly FoundForeignKey[], columns: readonly string[]): FoundForeignKey {
  const wanted = setText(columns);
  const over = new Map<string, FoundForeignKey>();
  for (const key of keys.filter((candidate) => setText(candidate.columns) === wanted)) {
    const joins = zip(key.columns, key.referencedColumns).map((pair) => JSON.stringify(pair));
    const identity = JSON.stringify([tableKey(key.references), joins.sort()]);
    const known = over.get(identity);
    if (known === undefined || (key.validated && !known.validated)) over.set(identity, key);
  }
  const [key, another] = over.values();
  if (key === undefined) throw new Unresolvable('no foreign constraint exists on the given column(s)');
  if (another !== undefined)
    throw new Unresolvable('more than one foreign key constraint exists on the given column(s)');
  return key;
}

function foreignKeys(scope: LocalScope, table: TableRef): readonly FoundForeignKey[] {
  return scope.found.tables.get(tableKey(table))?.foreignKeys ?? [];
}

/** The table, or native query, that a manual relationship leads to. */
function manualTarget(
  from: From,
  { remote_table: table, remote_native_query: query }: ManualConfiguration,
): Table {
  if (table !== undefined) return trackedTable(from, table);
  const right = query === undefined ? undefined : from.scope.find(from.left.source, queryRef(query));
  if (right === undefined)
    throw new Unresolvable(`native query "${query}" is not tracked`, { located: false });
  return right;
}

function trackedTable({ left, scope }: From, table: TableRef): Table {
  const right = scope.find(left.source, table);
  if (right === undefined)
    throw new Unresolvable(`table "${printTable(table)}" is not tracked`, { located: false });
  return right;
}

/** The condition of a relationship; refuses unknown columns and an empty list, which would join everything. */
export function pairs(
  left: Table,
  right: Table,
  names: readonly (readonly [string, string])[],
): readonly JoinPair[] {
  if (names.length === 0) throw new Unresolvable('the column mapping is empty');
  return names.map(([from, to]) => ({ left: columnOf(left, from), right: columnOf(right, to) }));
}

function columnOf(table: Table, name: string): Column {
  const column = table.columnByName.get(name);
  if (column === undefined) {
    throw new Unresolvable(`column "${name}" does not exist in table "${printTable(table.ref)}"`);
  }
  return column;
}

/** Whether at most one right row can match: the mapped columns contain a key. */
export function coversKey(right: Table, on: readonly JoinPair[]): boolean {
  const mapped = new Set(on.map((pair) => pair.right.name));
  return right.uniqueKeys.some((key) => key.every((column) => mapped.has(column)));
}

/** Whether an index finds the right rows: it begins with the mapped columns, in any order. */
export function isIndexed(right: Table, on: readonly JoinPair[]): boolean {
  const mapped = new Set(on.map((pair) => pair.right.name));
  const serves = (index: readonly string[]): boolean =>
    index.length >= mapped.size && index.slice(0, mapped.size).every((column) => mapped.has(column));
  // A native query is run once for each key, so an index would not matter.
  return right.query !== undefined || coversKey(right, on) || right.indexes.some(serves);
}

function zip(left: readonly string[], right: readonly string[]): readonly (readonly [string, string])[] {
  return left.flatMap((name, index) => {
    const other = right[index];
    return other === undefined ? [] : [[name, other] as const];
  });
}

function setText(columns: readonly string[]): string {
  return JSON.stringify([...new Set(columns)].sort());
}
