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
  finderWith,
  foundOf,
  nothing,
  type Tables,
} from './resolve/drafts.ts';
import { entitiesIn } from './resolve/entities.ts';
import { keptOperations } from './resolve/kept-operations.ts';
import { Memo } from './resolve/memo.ts';
import { type NamingConvention, sourceNames } from './resolve/names.ts';
import { inconsistency, type Noted, noted, noting, Unresolvable } from './resolve/problems.ts';
import { withRelationships } from './resolve/relationship/relationships.ts';
import { withPermissions } from './resolve/rule/permissions.ts';
import { resolveRoles } from './resolve/rule/roles.ts';
import type { RuleTable } from './resolve/rule/rule-tables.ts';
import { sourcesOf } from './resolve/sources.ts';
import { resolveTracked, type TableScope, withEnumColumns } from './resolve/tables.ts';
import { planCaches } from './resolve/wanted-tables.ts';

/** Which metadata a catalog was made from, and which catalog of this process it is. */
export interface CatalogVersion {
  readonly resourceVersion: number;
  readonly generation: number;
}

/** What the databases answered, and the locales of all of them. */
interface Answers extends Pick<TableScope, 'locales'> {
  readonly introspections: Introspections;
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

/**
 * Puts metadata and what the databases say of themselves together. Tables whose metadata, database and related tables are
 * the same objects as the last time are not resolved anew, so that a change costs little more than what it touches.
 */
export class Resolver {
  readonly #settings: ResolveSettings;
  readonly #plain = new Memo<FoundTable, Noted<Table | null>>();
  readonly #ruled = new Memo<Table, readonly RuleTable[]>();
  readonly #marked = new Memo<Table, Table>();
  readonly #related = new Memo<TableMetadata, Noted<Table>>();
  readonly #permitted = new Memo<TableMetadata, Noted<Table>>();
  readonly #functions = new Memo<FoundFunction, Noted<NamedFunction | null>>();
  readonly #queries = new Memo<NativeQueryMetadata, Noted<NamedQuery | null>>();
  readonly #conflicts = new Conflicts();

  constructor(settings: Partial<ResolveSettings> = {}) {
    this.#settings = { ...DEFAULT_SETTINGS, ...settings };
  }

  /** Never fails: what does not hold is listed as inconsistent and left out, everything else works. */
  resolve(metadata: Metadata, introspections: Introspections, version: CatalogVersion): Catalog {
    const problems: InconsistentObject[] = [...unsupportedObjects(metadata)];
    const locales = localesOf(introspections.values());
    const drafts = metadata.sources.map((source) =>
      this.#draftOf(source, { introspections, locales }, problems),
    );
    this.#conflicts.remove(drafts, problems);
    const types = this.#conflicts.takenTypes();
    const related = eachTable(this.#withRelationships(drafts, problems), drafts, (_draft, table, tracked) =>
      withOwnTypes(table, tracked, types, problems),
    );
    const permitted = this.#withPermissions(related, drafts, problems);
    const sources = sourcesOf({ related, permitted }, drafts, problems);
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

  /** What kept operations ask for is only known while all databases are. */
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
    const inputs = [name, scope.found, JSON.stringify([customization, ...scope.locales])];
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

  /** A source's native queries that fit its database, with their columns, names and arguments. */
  #queriesOf(
    source: SourceMetadata,
    scope: TableScope,
    problems: InconsistentObject[],
  ): Map<string, NamedQuery> {
    const text = JSON.stringify([source.customization, source.logical_models]);
    const named = (source.native_queries ?? []).flatMap(
      (entry): readonly (readonly [string, NamedQuery])[] => {
        const inputs = [source.name, scope.found, text];
        const made = this.#queries.take(entry, inputs, nothing, () =>
          noted((list) => resolveQuery(source, entry, scope, list)),
        );
        const query = noting(problems, made);
        return query === null ? [] : [[tableKey(query.table.ref), query]];
      },
    );
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
      const related = this.#related.take(tracked, inputs, finderWith(plain, drafts), (find) =>
        noted((list) =>
          withRelationships(table, tracked, { found, names, sources: { find, unavailable } }, list),
        ),
      );
      return noting(problems, related);
    });
  }

  #withPermissions(related: Tables, drafts: readonly Draft[], problems: InconsistentObject[]): Tables {
    return eachTable(related, drafts, (_draft, table, tracked) => {
      const result = this.#permitted.take(tracked, [table], finderIn(related), (find) =>
        noted((list) => withPermissions(table, tracked, find, list)),
      );
      return noting(problems, result);
    });
  }
}
