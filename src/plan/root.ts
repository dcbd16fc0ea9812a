import type { Catalog, Source } from '../catalog/catalog.ts';
import type { RoleName } from '../core/names.ts';
import { type RootType, rootFieldsOf, type VisibleRootField, visibleTable } from './visible.ts';

/** Who asks at which root type. */
export interface RootScope {
  readonly catalog: Catalog;
  readonly role: RoleName;
  readonly rootType: RootType;
}

/** What answers a name at the top of an operation. */
export type RootEntry =
  | { readonly kind: 'table'; readonly field: VisibleRootField }
  | { readonly kind: 'namespace'; readonly source: Source; readonly type: string };

/** Finds a root field the role may ask for. */
export function findRoot(scope: RootScope, name: string): RootEntry | null {
  for (const source of scope.catalog.sources.values()) {
    if (source.namespace === null) {
      const field = findIn(scope, source, name);
      if (field !== null) return { kind: 'table', field };
    } else if (source.namespace === name && hasFields(scope, source)) {
      return { kind: 'namespace', source, type: namespaceTypeOf(source, scope.rootType, name) };
    }
  }
  return null;
}

/** Finds a root field among one source's tables. */
export function findIn(
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
  return false;
}
