import type { Catalog, Source } from '../../catalog/catalog.ts';
import type { RoleName } from '../../core/names.ts';
import { type RootType, rootFieldsOf, type VisibleRootField, visibleTable } from './visible.ts';
import { fieldsCalling, functionFieldsOf, type VisibleFunctionField } from './visible-calls.ts';

/** Who asks at which root type. */
export interface RootScope {
  readonly catalog: Catalog;
  readonly role: RoleName;
  readonly rootType: RootType;
}

/** A root field of one source. */
export type SourceField = VisibleRootField | VisibleFunctionField;

/** The field that all root fields of a source are under. */
export interface Namespace {
  readonly kind: 'namespace';
  readonly source: Source;
  readonly type: string;
}

/** Finds a root field the role may ask for. */
export function findRoot(scope: RootScope, name: string): SourceField | Namespace | null {
  for (const source of scope.catalog.sources.values()) {
    if (source.namespace === null) {
      const found = findIn(scope, source, name);
      if (found !== null) return found;
    } else if (source.namespace === name && hasFields(scope, source)) {
      return { kind: 'namespace', source, type: namespaceTypeOf(source, scope.rootType, name) };
    }
  }
  return null;
}

/** Finds a root field among one source's tables and functions. */
export function findIn(scope: RootScope, source: Source, name: string): SourceField | null {
  return findTableField(scope, source, name) ?? findFunctionField(scope, source, name);
}

function findFunctionField(
  { catalog, role }: RootScope,
  source: Source,
  name: string,
): VisibleFunctionField | null {
  for (const called of source.functions.values()) {
    const { rows, aggregate } = called.root;
    if (rows.name !== name && aggregate?.name !== name) continue;
    const found = fieldsCalling(catalog, role, called).find(({ root }) => root.name === name);
    if (found !== undefined) return found;
  }
  return null;
}

function findTableField(
  { catalog, role, rootType }: RootScope,
  source: Source,
  name: string,
): VisibleRootField | null {
  for (const table of source.tables.values()) {
    const { select, selectByPk, selectAggregate, selectStream } = table.root;
    if (![select, selectByPk, selectAggregate, selectStream].some((root) => root.name === name)) continue;
    const view = visibleTable(catalog, role, source.name, table.ref);
    const found =
      view === null ? undefined : rootFieldsOf(view, rootType).find(({ root }) => root.name === name);
    if (found !== undefined) return found;
  }
  return null;
}

/** The field of a role that can ask for nothing: GraphQL has no type without fields. */
export const NO_QUERIES = {
  name: 'no_queries_available',
  text:
    'There are no queries available to the current role. Either there are no sources or remote schemas configured, ' +
    "or the current role doesn't have the required permissions.",
} as const;

/** Whether the role can ask for anything at all. */
export function hasAnyRoot(scope: RootScope): boolean {
  return [...scope.catalog.sources.values()].some((source) => hasFields(scope, source));
}

/** The type of a source's namespace at a root type. */
export function namespaceTypeOf(source: Source, rootType: RootType, namespace: string): string {
  return rootType === 'query_root'
    ? (source.namespaceType ?? `${namespace}_query`)
    : (source.subscriptionNamespaceType ?? `${namespace}_subscription`);
}

function hasFields({ catalog, role, rootType }: RootScope, source: Source): boolean {
  for (const table of source.tables.values()) {
    const view = visibleTable(catalog, role, source.name, table.ref);
    if (view !== null && rootFieldsOf(view, rootType).length > 0) return true;
  }
  return functionFieldsOf(catalog, role, source).length > 0;
}
