import { must } from '../core/assert.ts';
import { type SourceName, tableKey } from '../core/names.ts';
import type { Metadata, SourceMetadata } from '../metadata/model.ts';
import { unsupportedObjects } from '../metadata/unsupported.ts';
import type { Catalog, InconsistentObject, SelectPermission, Source, Table } from './catalog.ts';
import { NO_TYPES } from './held-type.ts';
import { type Introspection, isAvailable, type Unavailable } from './introspection.ts';
import { type NamedSource, removeConflicts } from './resolve/conflicts.ts';
import { planCaches } from './resolve/desired.ts';
import { kafkaFeed } from './resolve/kafka-feed.ts';
import { type NamingConvention, type SourceNames, sourceNames } from './resolve/names.ts';
import { type FindTable, resolvePermission } from './resolve/permissions.ts';
import { attempt, inconsistency, Unresolvable } from './resolve/problems.ts';
import { resolveRelationships } from './resolve/relationships.ts';
import type { RemoteScope } from './resolve/remote-relationships.ts';
import { resolveRoles } from './resolve/roles.ts';
import { resolveTables } from './resolve/tables.ts';

/** What the databases answered, by source. */
export type Introspections = ReadonlyMap<SourceName, Introspection | Unavailable>;

/** Which metadata a catalog was made from, and which catalog of this process it is. */
export interface CatalogVersion {
  readonly resourceVersion: number;
  readonly generation: number;
}

interface Draft extends NamedSource {
  readonly metadata: SourceMetadata;
  readonly found: Introspection | Unavailable;
  readonly names: SourceNames;
  readonly unavailable: string | null;
}

const KINDS: ReadonlySet<string> = new Set(['postgres', 'pg', 'citus', 'cockroach', 'alloy']);

/**
 * Puts metadata and what the databases say of themselves together. Pure, and never fails: what does not hold is
 * listed as inconsistent and left out, everything else works. `naming` is for sources that say nothing of it.
 */
export function resolve(
  metadata: Metadata,
  introspections: Introspections,
  version: CatalogVersion,
  naming: NamingConvention = 'hasura-default',
): Catalog {
  const problems: InconsistentObject[] = [...unsupportedObjects(metadata)];
  const drafts = metadata.sources.map((source) => draftOf(source, { introspections, naming }, problems));
  removeConflicts(drafts, problems);
  const related = withRelationships(drafts, problems);
  const sources = withPermissions(related, drafts, problems);
  const roles = resolveRoles(metadata, problems);
  const found: Introspections = new Map(drafts.map((draft) => [draft.name, draft.found]));
  const { desired, warnings } = planCaches(sources, found);
  return Object.freeze({
    ...version,
    sources,
    roles: roles.all,
    inheritedRoles: roles.inherited,
    introspectionDisabledFor: new Set(metadata.graphql_schema_introspection?.disabled_for_roles),
    inconsistent: problems,
    warnings,
    desired,
  });
}

function draftOf(
  metadata: SourceMetadata,
  { introspections, naming }: { readonly introspections: Introspections; readonly naming: NamingConvention },
  problems: InconsistentObject[],
): Draft {
  const names = sourceNames(metadata, naming);
  const { namespace, namespaceType, subscriptionNamespaceType } = names;
  const found = foundOf(metadata, introspections);
  const namespaces = { namespace, namespaceType, subscriptionNamespaceType };
  const draft = { name: metadata.name, ...namespaces, metadata, found, names };
  if (isAvailable(found)) {
    return { ...draft, unavailable: null, tables: resolveTables(metadata, found, names, problems) };
  }
  problems.push(
    inconsistency({ kind: 'source', source: metadata.name }, new Unresolvable(found.unavailable)),
  );
  return { ...draft, unavailable: found.unavailable, tables: new Map() };
}

function foundOf(source: SourceMetadata, introspections: Introspections): Introspection | Unavailable {
  if (!KINDS.has(source.kind)) return { unavailable: `sources of kind "${source.kind}" are not supported` };
  return introspections.get(source.name) ?? { unavailable: 'not connected yet' };
}

/** The tables of every source with their relationships, local and remote. */
function withRelationships(
  drafts: readonly Draft[],
  problems: InconsistentObject[],
): Map<SourceName, Map<string, Table>> {
  const scopes = new Map<SourceName, RemoteScope>(drafts.map((draft) => [draft.name, draft]));
  const related = new Map<SourceName, Map<string, Table>>();
  for (const draft of drafts) {
    if (!isAvailable(draft.found)) {
      related.set(draft.name, new Map());
      continue;
    }
    const scope = { local: { tables: draft.tables, found: draft.found }, sources: scopes };
    related.set(draft.name, resolveRelationships(draft.metadata, scope, problems));
  }
  return related;
}

function withPermissions(
  related: ReadonlyMap<SourceName, ReadonlyMap<string, Table>>,
  drafts: readonly Draft[],
  problems: InconsistentObject[],
): ReadonlyMap<SourceName, Source> {
  const find: FindTable = (source, table) => related.get(source)?.get(tableKey(table));
  const sources = new Map<SourceName, Source>();
  for (const draft of drafts) {
    const tables = new Map(must(related.get(draft.name), 'tables of a source'));
    for (const tracked of draft.metadata.tables) {
      const key = tableKey(tracked.table);
      const table = tables.get(key);
      if (table === undefined) continue;
      const permissions = new Map<string, SelectPermission>();
      for (const entry of tracked.select_permissions ?? []) {
        const subject = { kind: 'select_permission', source: draft.name, table: table.ref, entry } as const;
        const permission = attempt(subject, problems, () => resolvePermission(table, entry, find));
        if (permission !== null) permissions.set(entry.role, permission);
      }
      tables.set(key, { ...table, permissions });
    }
    const { name, namespace, namespaceType, subscriptionNamespaceType, unavailable, found } = draft;
    const types = isAvailable(found) ? found.types : NO_TYPES;
    const namespaces = { namespace, namespaceType, subscriptionNamespaceType };
    const kafka = kafkaFeed(draft.metadata);
    sources.set(name, { name, ...namespaces, tables, types, kafka, unavailable });
  }
  return sources;
}
