import { must } from '../core/assert.ts';
import type { DatabaseIdentity } from '../core/database-identity.ts';
import { type SourceName, tableKey } from '../core/names.ts';
import type { Metadata, SourceMetadata, TableMetadata } from '../metadata/model.ts';
import { unsupportedObjects } from '../metadata/unsupported.ts';
import { limitsIn } from './api-limits.ts';
import type { Catalog, InconsistentObject, Source, Table } from './catalog.ts';
import type { FoundFunction } from './found-functions.ts';
import { NO_TYPES } from './held-type.ts';
import { type FoundTable, type Introspection, isAvailable, type Unavailable } from './introspection.ts';
import { withOwnTypes } from './resolve/computed-types.ts';
import { Conflicts, type NamedSource } from './resolve/conflicts.ts';
import { planCaches } from './resolve/desired.ts';
import { entitiesIn } from './resolve/entities.ts';
import { type NamedFunction, resolveFunction, withRows } from './resolve/functions.ts';
import { kafkaFeed } from './resolve/kafka-feed.ts';
import { keptOperations } from './resolve/kept-operations.ts';
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

/** What of a resolution settings decide. */
export interface ResolveSettings {
  /** Of sources that say nothing of it. */
  readonly naming: NamingConvention;
  /** Who may read a table may call every function that returns its rows; else functions have permissions of their own. */
  readonly infersFunctionPermissions: boolean;
  /** This is a service of an Apollo federation. */
  readonly isFederated: boolean;
  /** Finds operations of collections that do not fit the catalog. */
  readonly checkCollections: (catalog: Catalog) => readonly InconsistentObject[];
}

const DEFAULT_SETTINGS: ResolveSettings = {
  naming: 'hasura-default',
  infersFunctionPermissions: true,
  isFederated: false,
  checkCollections: () => [],
};

const KINDS: ReadonlySet<string> = new Set(['postgres', 'pg', 'citus', 'cockroach', 'alloy']);

/**
 * Puts metadata and what the databases say of themselves together. Pure, and never fails: what does not hold is
 * listed as inconsistent and left out, everything else works.
 */
export function resolve(
  metadata: Metadata,
  introspections: Introspections,
  version: CatalogVersion,
  settings: Partial<ResolveSettings> = {},
): Catalog {
  return new Resolver(settings).resolve(metadata, introspections, version);
}

/** Something as far as it is resolved, null where it cannot be, and what does not hold of it. */
interface Noted<T> {
  readonly made: T;
  readonly problems: readonly InconsistentObject[];
}

/**
 * `resolve`, again and again: tables whose metadata, database and related tables are the same objects as before are not resolved anew, so
 * that a change costs little more than what it touches.
 */
export class Resolver {
  readonly #settings: ResolveSettings;
  readonly #plain = new Memo<FoundTable, Noted<Table | null>>();
  readonly #ruled = new Memo<Table, readonly RuleTable[]>();
  readonly #marked = new Memo<Table, Table>();
  readonly #related = new Memo<TableMetadata, Noted<Table>>();
  readonly #permitted = new Memo<TableMetadata, Noted<Table>>();
  readonly #functions = new Memo<FoundFunction, Noted<NamedFunction | null>>();
  readonly #conflicts = new Conflicts();

  constructor(settings: Partial<ResolveSettings> = {}) {
    this.#settings = { ...DEFAULT_SETTINGS, ...settings };
  }

  resolve(metadata: Metadata, introspections: Introspections, version: CatalogVersion): Catalog {
    const problems: InconsistentObject[] = [...unsupportedObjects(metadata)];
    const drafts = metadata.sources.map((source) => this.#draftOf(source, introspections, problems));
    this.#conflicts.remove(drafts, problems);
    const types = this.#conflicts.takenTypes();
    const related = eachTable(this.#withRelationships(drafts, problems), drafts, (_draft, table, tracked) =>
      withOwnTypes(table, tracked, types, problems),
    );
    const sources = this.#withPermissions(related, drafts, problems);
    const roles = resolveRoles(metadata, problems);
    const found: Introspections = new Map(drafts.map((draft) => [draft.name, draft.found]));
    const { desired, warnings } = planCaches(sources, found, this.#ruled);
    const catalog: Catalog = {
      ...version,
      sources,
      roles: roles.all,
      inheritedRoles: roles.inherited,
      introspectionDisabledFor: new Set(metadata.graphql_schema_introspection?.disabled_for_roles),
      limits: limitsIn(metadata.api_limits),
      entities: this.#settings.isFederated ? entitiesIn(metadata, sources) : null,
      kept: keptOperations(metadata, problems),
      inconsistent: problems,
      warnings,
      desired,
    };
    problems.push(...this.#outdatedIn(catalog));
    return Object.freeze(catalog);
  }

  /** What kept operations ask for is only known while all databases are. */
  #outdatedIn(catalog: Catalog): readonly InconsistentObject[] {
    if (catalog.kept.collections.length === 0) return [];
    const isPartial = [...catalog.sources.values()].some(({ unavailable }) => unavailable !== null);
    return isPartial ? [] : this.#settings.checkCollections(catalog);
  }

  #draftOf(metadata: SourceMetadata, introspections: Introspections, problems: InconsistentObject[]): Draft {
    const names = sourceNames(metadata, this.#settings.naming);
    const { namespace, namespaceType, subscriptionNamespaceType } = names;
    const found = foundOf(metadata, introspections);
    const namespaces = { namespace, namespaceType, subscriptionNamespaceType };
    const draft = { name: metadata.name, ...namespaces, metadata, found, names };
    if (isAvailable(found)) {
      const tables = this.#tablesOf(metadata, { found, names }, problems);
      const functions = this.#functionsOf(metadata, { found, names }, problems);
      return { ...draft, unavailable: null, tables, functions };
    }
    problems.push(
      inconsistency({ kind: 'source', source: metadata.name }, new Unresolvable(found.unavailable)),
    );
    return { ...draft, unavailable: found.unavailable, tables: new Map(), functions: new Map() };
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
      const make = (): Noted<Table | null> => noted((list) => resolveTracked(name, tracked, scope, list));
      const real = scope.found.tables.get(key);
      // Of the table's metadata only what `resolveTracked` reads: its permissions and relationships may change.
      const text = JSON.stringify([tracked.configuration, tracked.is_enum]);
      const result = real === undefined ? make() : this.#plain.take(real, [...inputs, text], nothing, make);
      const table = noting(problems, result);
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

  /** A source's tracked functions that exist, with their names and arguments. */
  #functionsOf(
    { name, functions = [], customization }: SourceMetadata,
    scope: TableScope,
    problems: InconsistentObject[],
  ): Map<string, NamedFunction> {
    const infersPermissions = this.#settings.infersFunctionPermissions;
    const inputs = [name, scope.found, JSON.stringify(customization)];
    const named = functions.flatMap((tracked): readonly (readonly [string, NamedFunction])[] => {
      const key = tableKey(tracked.function);
      const make = (): Noted<NamedFunction | null> =>
        noted((list) => resolveFunction(name, tracked, { ...scope, infersPermissions }, list));
      const [real] = scope.found.functions.get(key) ?? [];
      const text = JSON.stringify(tracked);
      const result =
        real === undefined ? make() : this.#functions.take(real, [...inputs, text], nothing, make);
      const made = noting(problems, result);
      return made === null ? [] : [[key, made]];
    });
    return new Map(named);
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
        noted((list) =>
          withRelationships(table, tracked, { found, names, sources: { find, unavailable } }, list),
        ),
      );
      return noting(problems, related);
    });
  }

  #withPermissions(
    related: Tables,
    drafts: readonly Draft[],
    problems: InconsistentObject[],
  ): ReadonlyMap<SourceName, Source> {
    const permitted = eachTable(related, drafts, (_draft, table, tracked) => {
      const result = this.#permitted.take(tracked, [table], finderIn(related), (find) =>
        noted((list) => withPermissions(table, tracked, find, list)),
      );
      return noting(problems, result);
    });
    return new Map(
      drafts.map((draft) => {
        const { name, namespace, namespaceType, subscriptionNamespaceType, unavailable, found } = draft;
        const tables = must(permitted.get(name), 'tables of a source');
        const types = isAvailable(found) ? found.types : NO_TYPES;
        const namespaces = { namespace, namespaceType, subscriptionNamespaceType };
        const kafka = kafkaFeed(draft.metadata);
        const identity = isAvailable(found) ? identityOf(found) : null;
        const functions = withRows(draft.functions.values(), tables, problems);
        return [name, { name, ...namespaces, tables, functions, types, kafka, identity, unavailable }];
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

function noted<T>(make: (problems: InconsistentObject[]) => T): Noted<T> {
  const problems: InconsistentObject[] = [];
  return { made: make(problems), problems };
}

/** What was made; what does not hold of it goes to the list of all. */
function noting<T>(all: InconsistentObject[], { made, problems }: Noted<T>): T {
  all.push(...problems);
  return made;
}

function foundOf(source: SourceMetadata, introspections: Introspections): Introspection | Unavailable {
  if (!KINDS.has(source.kind)) return { unavailable: `sources of kind "${source.kind}" are not supported` };
  return introspections.get(source.name) ?? { unavailable: 'not connected yet' };
}
