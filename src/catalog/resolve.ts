import { must } from '../core/assert.ts';
import type { DatabaseIdentity } from '../core/database-identity.ts';
import { type SourceName, tableKey } from '../core/names.ts';
import type { Metadata, SourceMetadata, TableMetadata } from '../metadata/model.ts';
import { unsupportedObjects } from '../metadata/unsupported.ts';
import type { Catalog, InconsistentObject, Source, Table } from './catalog.ts';
import { NO_TYPES } from './held-type.ts';
import { type FoundTable, type Introspection, isAvailable, type Unavailable } from './introspection.ts';
import { Conflicts, type NamedSource } from './resolve/conflicts.ts';
import { planCaches } from './resolve/desired.ts';
import { kafkaFeed } from './resolve/kafka-feed.ts';
import { type FindTable, Memo } from './resolve/memo.ts';
import { type NamingConvention, type SourceNames, sourceNames } from './resolve/names.ts';
import { withPermissions } from './resolve/permissions.ts';
import { inconsistency, Unresolvable } from './resolve/problems.ts';
import { withRelationships } from './resolve/relationships.ts';
import { resolveRoles } from './resolve/roles.ts';
import type { RuleTable } from './resolve/rule-tables.ts';
import { resolveTracked, type TableScope, withEnumColumns } from './resolve/tables.ts';

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
  return new Resolver(naming).resolve(metadata, introspections, version);
}

/** A table as far as it is resolved, null where it cannot be, and what does not hold of it. */
interface Resolved<T extends Table | null> {
  readonly table: T;
  readonly problems: readonly InconsistentObject[];
}

/**
 * `resolve`, again and again: tables whose metadata, database and related tables are the same objects as before are not resolved anew, so
 * that a change costs little more than what it touches.
 */
export class Resolver {
  readonly #naming: NamingConvention;
  readonly #plain = new Memo<FoundTable, Resolved<Table | null>>();
  readonly #ruled = new Memo<Table, readonly RuleTable[]>();
  readonly #marked = new Memo<Table, Table>();
  readonly #related = new Memo<TableMetadata, Resolved<Table>>();
  readonly #permitted = new Memo<TableMetadata, Resolved<Table>>();
  readonly #conflicts = new Conflicts();

  constructor(naming: NamingConvention = 'hasura-default') {
    this.#naming = naming;
  }

  resolve(metadata: Metadata, introspections: Introspections, version: CatalogVersion): Catalog {
    const problems: InconsistentObject[] = [...unsupportedObjects(metadata)];
    const drafts = metadata.sources.map((source) => this.#draftOf(source, introspections, problems));
    this.#conflicts.remove(drafts, problems);
    const related = this.#withRelationships(drafts, problems);
    const sources = this.#withPermissions(related, drafts, problems);
    const roles = resolveRoles(metadata, problems);
    const found: Introspections = new Map(drafts.map((draft) => [draft.name, draft.found]));
    const { desired, warnings } = planCaches(sources, found, this.#ruled);
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

  #draftOf(metadata: SourceMetadata, introspections: Introspections, problems: InconsistentObject[]): Draft {
    const names = sourceNames(metadata, this.#naming);
    const { namespace, namespaceType, subscriptionNamespaceType } = names;
    const found = foundOf(metadata, introspections);
    const namespaces = { namespace, namespaceType, subscriptionNamespaceType };
    const draft = { name: metadata.name, ...namespaces, metadata, found, names };
    if (isAvailable(found)) {
      const tables = this.#tablesOf(metadata, { found, names }, problems);
      return { ...draft, unavailable: null, tables };
    }
    problems.push(
      inconsistency({ kind: 'source', source: metadata.name }, new Unresolvable(found.unavailable)),
    );
    return { ...draft, unavailable: found.unavailable, tables: new Map() };
  }

  /** A source's tracked tables that exist, with their columns and names. */
  #tablesOf(
    { name, tables, customization }: SourceMetadata,
    scope: TableScope,
    problems: InconsistentObject[],
  ): Map<string, Table> {
    const inputs = [name, scope.found, JSON.stringify(customization)];
    const plain = new Map<string, Table>();
    for (const tracked of tables) {
      const key = tableKey(tracked.table);
      const make = (): Resolved<Table | null> =>
        resolved((list) => resolveTracked(name, tracked, scope, list));
      const real = scope.found.tables.get(key);
      // Of the table's metadata only what `resolveTracked` reads: its permissions and relationships may change.
      const text = JSON.stringify([tracked.configuration, tracked.is_enum]);
      const result = real === undefined ? make() : this.#plain.take(real, [...inputs, text], nothing, make);
      const { table } = noting(problems, result);
      if (table !== null) plain.set(key, table);
    }
    const enums = [...plain.values()].filter((table) => table.enumValues !== null);
    if (enums.length === 0) return plain;
    return new Map(
      [...plain].map(([key, table]) => [
        key,
        this.#marked.take(table, enums, nothing, () => withEnumColumns(table, enums, scope.found)),
      ]),
    );
  }

  /** The tables of every source with their relationships, local and remote. */
  #withRelationships(drafts: readonly Draft[], problems: InconsistentObject[]): Tables {
    const plain: Tables = new Map(drafts.map((draft) => [draft.name, draft.tables]));
    const unavailable = new Map(drafts.map((draft) => [draft.name, draft.unavailable]));
    const availability = JSON.stringify([...unavailable]);
    return eachTable(plain, drafts, ({ found, names, metadata }, table, tracked) => {
      if (!isAvailable(found)) return table;
      const inputs = [table, found, availability, JSON.stringify(metadata.customization)];
      const related = this.#related.take(tracked, inputs, finderIn(plain), (find) =>
        resolved((list) =>
          withRelationships(table, tracked, { found, names, sources: { find, unavailable } }, list),
        ),
      );
      return noting(problems, related).table;
    });
  }

  #withPermissions(
    related: Tables,
    drafts: readonly Draft[],
    problems: InconsistentObject[],
  ): ReadonlyMap<SourceName, Source> {
    const permitted = eachTable(related, drafts, (_draft, table, tracked) => {
      const result = this.#permitted.take(tracked, [table], finderIn(related), (find) =>
        resolved((list) => withPermissions(table, tracked, find, list)),
      );
      return noting(problems, result).table;
    });
    return new Map(
      drafts.map((draft) => {
        const { name, namespace, namespaceType, subscriptionNamespaceType, unavailable, found } = draft;
        const tables = must(permitted.get(name), 'tables of a source');
        const types = isAvailable(found) ? found.types : NO_TYPES;
        const namespaces = { namespace, namespaceType, subscriptionNamespaceType };
        const kafka = kafkaFeed(draft.metadata);
        const identity = isAvailable(found) ? identityOf(found) : null;
        return [name, { name, ...namespaces, tables, types, kafka, identity, unavailable }];
      }),
    );
  }
}

function identityOf({ server: { systemId, database } }: Introspection): DatabaseIdentity {
  return { systemId, database };
}

type Tables = ReadonlyMap<SourceName, ReadonlyMap<string, Table>>;

/** Every tracked table that is still there, one step further. */
function eachTable(
  tables: Tables,
  drafts: readonly Draft[],
  step: (draft: Draft, table: Table, tracked: TableMetadata) => Table,
): Tables {
  return new Map(
    drafts.map((draft) => {
      const now = new Map(must(tables.get(draft.name), 'tables of a source'));
      for (const tracked of draft.metadata.tables) {
        const key = tableKey(tracked.table);
        const table = now.get(key);
        if (table !== undefined) now.set(key, step(draft, table, tracked));
      }
      return [draft.name, now];
    }),
  );
}

function finderIn(tables: Tables): FindTable {
  return (source, table) => tables.get(source)?.get(tableKey(table));
}

const nothing: FindTable = () => undefined;

function resolved<T extends Table | null>(make: (problems: InconsistentObject[]) => T): Resolved<T> {
  const problems: InconsistentObject[] = [];
  return { table: make(problems), problems };
}

function noting<T extends Table | null>(all: InconsistentObject[], result: Resolved<T>): Resolved<T> {
  all.push(...result.problems);
  return result;
}

function foundOf(source: SourceMetadata, introspections: Introspections): Introspection | Unavailable {
  if (!KINDS.has(source.kind)) return { unavailable: `sources of kind "${source.kind}" are not supported` };
  return introspections.get(source.name) ?? { unavailable: 'not connected yet' };
}
