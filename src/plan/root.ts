import type { Catalog, Source } from '../catalog/catalog.ts';
import type { RoleName } from '../core/names.ts';
import { rootFieldsOf, type VisibleRootField, visibleTable } from './visible.ts';

/** What answers a name at the top of a query. */
export type RootEntry =
  | { readonly kind: 'table'; readonly field: VisibleRootField }
  | { readonly kind: 'namespace'; readonly source: Source; readonly type: string };

/** Finds a root field the role may ask for. */
export function findRoot(catalog: Catalog, role: RoleName, name: string): RootEntry | null {
  for (const source of catalog.sources.values()) {
    if (source.namespace === null) {
      const field = findIn(catalog, role, source, name);
      if (field !== null) return { kind: 'table', field };
    } else if (source.namespace === name && hasFields(catalog, role, source)) {
      return { kind: 'namespace', source, type: source.namespaceType ?? `${name}_query` };
    }
  }
  return null;
}

/** Finds a root field among one source's tables. */
export function findIn(
  catalog: Catalog,
  role: RoleName,
  source: Source,
  name: string,
): VisibleRootField | null {
  for (const table of source.tables.values()) {
    const { select, selectByPk, selectAggregate } = table.root;
    if (select.name !== name && selectByPk.name !== name && selectAggregate.name !== name) continue;
    const view = visibleTable(catalog, role, source.name, table.ref);
    const found = view === null ? undefined : rootFieldsOf(view).find(({ root }) => root.name === name);
    if (found !== undefined) return found;
  }
  return null;
}

/** Whether the role can ask for anything at all. */
export function hasAnyRoot(catalog: Catalog, role: RoleName): boolean {
  return [...catalog.sources.values()].some((source) => hasFields(catalog, role, source));
}

function hasFields(catalog: Catalog, role: RoleName, source: Source): boolean {
  for (const table of source.tables.values()) {
    const view = visibleTable(catalog, role, source.name, table.ref);
    if (view !== null && rootFieldsOf(view).length > 0) return true;
  }
  return false;
}
