import type { Table } from '../../catalog/catalog.ts';
import { type SourceName, type TableRef, tableKey } from '../../core/names.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import type { LocalRelationshipMetadata } from '../../metadata/model/relationships.ts';
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

/**
 * Relationships and computed fields of the tables that stay to tables that go, and functions that return these. The catalog knows
 * where foreign keys and functions lead; the metadata knows the rest, also while a database is away.
 */
export function pointingTo(state: State, gone: Gone): readonly ObjectRef[] {
  const found = new Map<string, ObjectRef>();
  for (const object of [...pointingInCatalog(state, gone), ...pointingInMetadata(state.metadata, gone)]) {
    found.set(objectName(object), object);
  }
  return [...found.values()];
}

function* pointingInCatalog(state: State, gone: Gone): Generator<ObjectRef> {
  for (const [source, { tables, functions }] of state.catalog.sources) {
    for (const { ref, returns } of functions.values()) {
      if (gone(source, returns)) yield { kind: 'function', source, function: ref };
    }
    for (const table of tables.values()) {
      const { ref, relationships } = table;
      if (gone(source, ref)) continue;
      yield* computedPointing(source, table, gone);
      for (const { name, kind, remote, ...right } of relationships.values()) {
        if (!gone(right.source, right.table)) continue;
        const local = kind === 'object' ? 'object_relation' : 'array_relation';
        yield { kind: remote === null ? local : 'remote_relationship', source, table: ref, name };
      }
    }
  }
}

function* computedPointing(
  source: SourceName,
  { ref: table, computedFields }: Table,
  gone: Gone,
): Generator<ObjectRef> {
  for (const { name, returns } of computedFields.values()) {
    if (returns.kind === 'table' && gone(source, returns.table))
      yield { kind: 'computed_field', source, table, name };
  }
}

function* pointingInMetadata(metadata: Metadata, gone: Gone): Generator<ObjectRef> {
  for (const { name: source, tables } of metadata.sources) {
    for (const table of tables) {
      if (!gone(source, table.table)) yield* entriesPointing(source, table, gone);
    }
  }
}

function* entriesPointing(source: SourceName, entry: TableMetadata, gone: Gone): Generator<ObjectRef> {
  const { table } = entry;
  const leads = (relationship: LocalRelationshipMetadata): boolean => {
    const right = namedTable(relationship);
    return right !== undefined && gone(source, right);
  };
  for (const kind of ['object_relation', 'array_relation'] as const) {
    for (const { name } of (entry[TABLE_LISTS[kind]] ?? []).filter(leads))
      yield { kind, source, table, name };
  }
  for (const { name, definition } of entry.remote_relationships ?? []) {
    const right = definition.to_source;
    if (right === undefined || !gone(right.source, right.table)) continue;
    yield { kind: 'remote_relationship', source, table, name };
  }
}

/** Says of these tables that they go. */
export function goneTables(places: readonly TablePlace[]): Gone {
  const keys = new Set(places.map(({ source, table }) => JSON.stringify([source, tableKey(table)])));
  return (source, table) => keys.has(JSON.stringify([source, tableKey(table)]));
}
