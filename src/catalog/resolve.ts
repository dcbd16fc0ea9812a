import type { InconsistentObject } from '../core/inconsistent-object.ts';
import { tableKey } from '../core/names.ts';
import { unsupportedObjects } from '../metadata/document/unsupported.ts';
import type { NativeQueryMetadata } from '../metadata/model/native-queries.ts';
import type { Metadata, SourceMetadata, TableMetadata } from '../metadata/model.ts';
import type { Catalog, Table } from './catalog.ts';
import type { FoundFunction } from './introspect/found-functions.ts';
import { type FoundTable, type Introspections, isAvailable, localesOf } from './introspection.ts';
import { limitsIn } from './part/api-limits.ts';
import { withOwnTypes } from './resolve/call/computed-types.ts';
import { type NamedFunction, resolveFunction } from './resolve/call/functions.ts';
import { type NamedQuery, resolveQuery } from './resolve/call/native-queries.ts';
import { Conflicts } from './resolve/conflicts.ts';
import {
  type Draft,
  eachTable,
  finderIn,
  finderWithQueries,
  foundOf,
  type Tables,
  unavailableIn,
} from './resolve/drafts.ts';
import { entitiesIn } from './resolve/entities.ts';
import { keptOperations } from './resolve/kept-operations.ts';
import { CheckedMemo, Memo } from './resolve/memo.ts';
import { type NamingConvention, sourceNames } from './resolve/names.ts';
import { inconsistency, Unresolvable } from './resolve/problems.ts';
import { withRelationships } from './resolve/relationship/relationships.ts';
import type { Unavailable } from './resolve/relationship/remote-relationships.ts';
import { withPermissions } from './resolve/rule/permissions.ts';
import { resolveRoles } from './resolve/rule/roles.ts';
import type { RuleTable } from './resolve/rule/rule-tables.ts';
import { sourcesOf } from './resolve/sources.ts';
import { resolveTracked, type TableScope, withEnumColumns } from './resolve/tables.ts';
import { planCaches } from './resolve/wanted-tables.ts';

/** The metadata version that a catalog was made from, and its number in this process. */
export interface CatalogVersion {
  readonly resourceVersion: number;
  readonly generation: number;
}

/** What the databases answered, and the locales of all of them. */
interface Answers extends Pick<TableScope, 'locales'> {
  readonly introspections: Introspections;
}

/** The settings that resolving depends on. */
export interface ResolveSettings {
  /** For sources that do not set it themselves. */
  readonly naming: NamingConvention;
  /** Whether a role that may read a table may call the functions that return its rows; else functions have permissions of their own. */
  readonly infersFunctionPermissions: boolean;
  /** This is a service of an Apollo federation. */
  readonly isFederated: boolean;
  /** Finds kept operations that do not fit the catalog. */
  readonly checkCollections: (catalog: Catalog) => readonly InconsistentObject[];
}

const DEFAULT_SETTINGS: ResolveSettings = {
  naming: 'hasura-default',
  infersFunctionPermissions: true,
  isFederated: false,
  checkCollections: () => [],
};

/**
 * Makes catalogs of metadata and of what the databases say of themselves. Whatever has the same metadata, database and related tables
 * as the last time is reused, so that a change costs little more than what it touches.
 */
export class Resolver {
  readonly #settings: ResolveSettings;
  readonly #plain = new CheckedMemo<FoundTable, Table | null>();
  readonly #ruled = new Memo<Table, readonly RuleTable[]>();
  readonly #marked = new Memo<Table, Table>();
  readonly #related = new CheckedMemo<TableMetadata, Table>();
  readonly #permitted = new CheckedMemo<TableMetadata, Table>();
  readonly #functions = new CheckedMemo<FoundFunction, NamedFunction | null>();
  readonly #queries = new CheckedMemo<NativeQueryMetadata, NamedQuery | null>();
  readonly #conflicts = new Conflicts();

  constructor(settings: Partial<ResolveSettings> = {}) {
    this.#settings = { ...DEFAULT_SETTINGS, ...settings };
  }

  /** Never fails: what is wrong is listed as inconsistent and left out, all else works. */
  resolve(metadata: Metadata, introspections: Introspections, version: CatalogVersion): Catalog {
    const problems: InconsistentObject[] = [...unsupportedObjects(metadata)];
    const locales = localesOf(introspections.values());
    const drafts = metadata.sources.map((source) =>
      this.#draftOf(source, { introspections, locales }, problems),
    );
    this.#conflicts.remove(drafts, problems);
    const types = this.#conflicts.takenTypes();
    const unavailable = unavailableIn(drafts, metadata);
    const plain = this.#withRelationships(drafts, unavailable, problems);
    const related = eachTable(plain, drafts, (_draft, table, tracked) =>
      withOwnTypes(table, tracked, types, problems),
    );
    const permitted = this.#withPermissions(related, drafts, problems);
    const sources = sourcesOf({ related, permitted, unavailable }, drafts, problems);
    const found: Introspections = new Map(drafts.map((draft) => [draft.name, draft.found]));
    const { wanted, warnings } = planCaches(sources, found, this.#ruled);
    const catalog: Catalog = {
      ...version,
      sources,
      inheritedRoles: resolveRoles(metadata, problems),
      introspectionDisabledFor: new Set(metadata.graphql_schema_introspection?.disabled_for_roles),
      limits: limitsIn(metadata.api_limits),
      entities: this.#settings.isFederated ? entitiesIn(metadata, sources) : null,
      kept: keptOperations(metadata, problems),
      inconsistent: problems,
      warnings,
      wanted,
    };
    problems.push(...this.#outdatedIn(catalog));
    return Object.freeze(catalog);
  }

  /** Whether kept operations fit can only be told while all databases answer. */
  #outdatedIn(catalog: Catalog): readonly InconsistentObject[] {
    if (catalog.kept.collections.length === 0) return [];
    const isPartial = [...catalog.sources.values()].some(({ unavailable }) => unavailable !== null);
    return isPartial ? [] : this.#settings.checkCollections(catalog);
  }

  #draftOf(
    metadata: SourceMetadata,
    { introspections, locales }: Answers,
    problems: InconsistentObject[],
  ): Draft {
    const names = sourceNames(metadata, this.#settings.naming);
    const found = foundOf(metadata, introspections);
    const draft = { name: metadata.name, ...names.namespace, metadata, found, names };
    if (isAvailable(found)) {
      const scope = { found, names, locales };
      const tables = this.#tablesOf(metadata, scope, problems);
      const functions = this.#functionsOf(metadata, scope, problems);
      const queries = this.#queriesOf(metadata, scope, problems);
      return { ...draft, unavailable: null, tables, functions, queries };
    }
    problems.push(
      inconsistency({ kind: 'source', source: metadata.name }, new Unresolvable(found.unavailable)),
    );
    const none = { tables: new Map(), functions: new Map(), queries: new Map() };
    return { ...draft, unavailable: found.unavailable, ...none };
  }

  /** A source's tracked tables that exist, with their columns and names. */
  #tablesOf(
    { name, tables, customization }: SourceMetadata,
    scope: TableScope,
    problems: InconsistentObject[],
  ): Map<string, Table> {
    const shared = [name, scope.found, JSON.stringify([customization, ...scope.locales])];
    const plain = new Map<string, Table>();
    for (const tracked of tables) {
      const key = tableKey(tracked.table);
      // Of the table's metadata only what `resolveTracked` reads: its permissions and relationships may change.
      const inputs = [...shared, JSON.stringify([tracked.configuration, tracked.is_enum])];
      const table = this.#plain.take(scope.found.tables.get(key), { inputs }, problems, (found) =>
        resolveTracked(name, tracked, scope, found),
      );
      if (table !== null) plain.set(key, table);
    }
    const enums = [...plain.values()].filter((table) => table.enumValues !== null);
    if (enums.length === 0) return plain;
    return new Map(
      [...plain].map(([key, table]) => [
        key,
        this.#marked.take(table, { inputs: enums }, () => withEnumColumns(table, enums, scope.found)),
      ]),
    );
  }

  /** A source's tracked functions that exist, with their names and arguments. */
  #functionsOf(
    { name, functions = [], customization }: SourceMetadata,
    scope: TableScope,
    problems: InconsistentObject[],
  ): Map<string, NamedFunction> {
    const functionScope = { ...scope, infersPermissions: this.#settings.infersFunctionPermissions };
    const resolved = new Map<string, NamedFunction>();
    for (const tracked of functions) {
      const key = tableKey(tracked.function);
      const [real] = scope.found.functions.get(key) ?? [];
      const inputs = [name, scope.found, JSON.stringify([customization, tracked])];
      const made = this.#functions.take(real, { inputs }, problems, (found) =>
        resolveFunction(name, tracked, functionScope, found),
      );
      if (made !== null) resolved.set(key, made);
    }
    return resolved;
  }

  /** A source's native queries that fit its database, with their columns, names and arguments. */
  #queriesOf(
    source: SourceMetadata,
    scope: TableScope,
    problems: InconsistentObject[],
  ): Map<string, NamedQuery> {
    const inputs = [source.name, scope.found, JSON.stringify([source.customization, source.logical_models])];
    const resolved = new Map<string, NamedQuery>();
    for (const entry of source.native_queries ?? []) {
      const made = this.#queries.take(entry, { inputs }, problems, (found) =>
        resolveQuery(source, entry, scope, found),
      );
      if (made !== null) resolved.set(tableKey(made.table.ref), made);
    }
    return resolved;
  }

  /** The tables of every source with their relationships, local and remote. */
  #withRelationships(
    drafts: readonly Draft[],
    unavailable: Unavailable,
    problems: InconsistentObject[],
  ): Tables {
    const plain: Tables = new Map(drafts.map((draft) => [draft.name, draft.tables]));
    const availability = JSON.stringify([...unavailable]);
    return eachTable(plain, drafts, ({ found, names, metadata }, table, tracked) => {
      if (!isAvailable(found)) return table;
      const inputs = [table, found, availability, JSON.stringify(metadata.customization)];
      return this.#related.take(
        tracked,
        { inputs, find: finderWithQueries(plain, drafts) },
        problems,
        (list, find) =>
          withRelationships(table, tracked, { found, names, sources: { find, unavailable } }, list),
      );
    });
  }

  #withPermissions(related: Tables, drafts: readonly Draft[], problems: InconsistentObject[]): Tables {
    return eachTable(related, drafts, (_draft, table, tracked) =>
      this.#permitted.take(tracked, { inputs: [table], find: finderIn(related) }, problems, (list, find) =>
        withPermissions(table, tracked, find, list),
      ),
    );
  }
}
