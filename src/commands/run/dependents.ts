import type { Table } from '../../catalog/catalog.ts';
import { type SourceName, type TableRef, tableKey } from '../../core/names.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import type { Metadata, TableMetadata } from '../../metadata/model.ts';
import type { TablePlace } from '../../metadata/object/edit.ts';
import {
  type ObjectRef,
  objectName,
  objectReport,
  objectsOf,
  removeObject,
  TABLE_LISTS,
} from '../../metadata/object/objects.ts';
import { namedTable } from '../reduce/follow.ts';
import { changed, newlyBroken, refusal, resolve, type State, type Tools } from './state.ts';

/** Whether a table goes away; asked of both ends of every relationship. */
export type Gone = (source: SourceName, table: TableRef) => boolean;

/** A removal, and whether what depends on it goes with it. */
export interface Removal {
  /** The metadata without what is removed, dependents still in it. */
  readonly metadata: Metadata;
  readonly gone: Gone;
  readonly cascade: boolean;
}

/** Removes something and, when told to, all that depends on it; else refuses and names what does. */
export async function remove(state: State, removal: Removal, tools: Tools): Promise<State> {
  const left = new Set(objectsOf(removal.metadata).map(objectName));
  let dependents = pointingTo(state, removal.gone).filter((object) => left.has(objectName(object)));
  for (;;) {
    const metadata = dependents.reduce(removeObject, removal.metadata);
    const catalog = await resolve(metadata, tools);
    const broken = newlyBroken(state.catalog, catalog);
    if (broken.length === 0) {
      if (dependents.length > 0 && !removal.cascade) throw dependencyError(dependents);
      return changed(state, metadata, catalog);
    }
    const names = new Set(broken.map((object) => object.name));
    const more = objectsOf(metadata).filter((object) => mayGo(object) && names.has(objectName(object)));
    if (more.length === 0) throw refusal(broken, null);
    dependents = [...dependents, ...more];
  }
}

/** What clients ask for by name is dropped by its own name only. */
function mayGo({ kind }: ObjectRef): boolean {
  return kind !== 'query_collections' && kind !== 'rest_endpoint';
}

/** Hasura's refusal to drop what others need. */
function dependencyError(dependents: readonly ObjectRef[]): MetadataError {
  return new MetadataError('dependency-error', dependencyText(dependents));
}

/** Hasura's sentence about what depends on something. */
export function dependencyText(dependents: readonly ObjectRef[]): string {
  return `cannot drop due to the following dependent objects: ${dependents.map(objectReport).join(', ')}`;
}

/** A relationship, computed field or function, and the table that it leads to. */
export interface Pointer {
  readonly object: ObjectRef;
  /** The table that has it; null for a function. */
  readonly from: TablePlace | null;
  readonly to: TablePlace;
}

/** Relationships and computed fields of the tables that stay to tables that go, and functions that return these. */
function pointingTo(state: State, gone: Gone): readonly ObjectRef[] {
  const goes = ({ source, table }: TablePlace): boolean => gone(source, table);
  const found: Pointer[] = [];
  for (const pointer of pointersIn(state)) {
    if (goes(pointer.to) && (pointer.from === null || !goes(pointer.from))) found.push(pointer);
  }
  return objectsIn(found);
}

/** What points, each once. */
export function objectsIn(pointers: readonly Pointer[]): readonly ObjectRef[] {
  return [...new Map(pointers.map(({ object }) => [objectName(object), object])).values()];
}

/**
 * Everything that leads to a table. The catalog knows where foreign keys and functions lead; the metadata knows the rest, also while a
 * database is away. What both know comes twice.
 */
export function* pointersIn({ catalog, metadata }: Pick<State, 'catalog' | 'metadata'>): Generator<Pointer> {
  for (const [source, { tables, functions }] of catalog.sources) {
    for (const { ref, returns } of functions.values()) {
      const object = { kind: 'function', source, function: ref } as const;
      yield { object, from: null, to: { source, table: returns } };
    }
    for (const table of tables.values()) yield* pointersOf({ source, table: table.ref }, table);
  }
  for (const { name: source, tables } of metadata.sources) {
    for (const entry of tables) yield* entriesOf({ source, table: entry.table }, entry);
  }
}

function* pointersOf(from: TablePlace, { computedFields, relationships }: Table): Generator<Pointer> {
  for (const { name, returns } of computedFields.values()) {
    if (returns.kind !== 'table') continue;
    const to = { source: from.source, table: returns.table };
    yield { object: { kind: 'computed_field', ...from, name }, from, to };
  }
  for (const { name, kind, remote, source, table } of relationships.values()) {
    const local = kind === 'object' ? 'object_relation' : 'array_relation';
    const object = { kind: remote === null ? local : 'remote_relationship', ...from, name } as const;
    yield { object, from, to: { source, table } };
  }
}

function* entriesOf(from: TablePlace, entry: TableMetadata): Generator<Pointer> {
  for (const kind of ['object_relation', 'array_relation'] as const) {
    for (const relationship of entry[TABLE_LISTS[kind]] ?? []) {
      const table = namedTable(relationship);
      if (table === undefined) continue;
      yield { object: { kind, ...from, name: relationship.name }, from, to: { source: from.source, table } };
    }
  }
  for (const { name, definition } of entry.remote_relationships ?? []) {
    const { to_source: right } = definition;
    if (right === undefined) continue;
    const to = { source: right.source, table: right.table };
    yield { object: { kind: 'remote_relationship', ...from, name }, from, to };
  }
}

/** A text that is equal exactly when two places are. */
export function placeKey({ source, table }: TablePlace): string {
  return JSON.stringify([source, tableKey(table)]);
}

/** Says of these tables that they go. */
export function goneTables(places: readonly TablePlace[]): Gone {
  const keys = new Set(places.map(placeKey));
  return (source, table) => keys.has(placeKey({ source, table }));
}
