import {
  DirectiveLocation,
  GraphQLBoolean,
  GraphQLDirective,
  GraphQLIncludeDirective,
  GraphQLInt,
  type GraphQLNamedType,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLSkipDirective,
  GraphQLString,
  type GraphQLType,
  getNamedType,
  isInputObjectType,
  isObjectType,
  isUnionType,
} from 'graphql';
import type { Catalog, Source } from '../catalog/catalog.ts';
import { keptIn } from '../core/kept-in.ts';
import type { RoleName, SourceName } from '../core/names.ts';
import { atOnce, type Steps } from '../core/waiting/slices.ts';
import { type RootType, rootFieldsOf, visibleTable, visibleTables } from '../plan/role/visible.ts';
import { functionFieldsOf } from '../plan/role/visible-calls.ts';
import { NO_QUERIES, namespaceTypeOf } from '../plan/role/visible-roots.ts';
import { ComparisonTypes } from './schema/comparisons.ts';
import { federationFields } from './schema/federation.ts';
import { sorted, TypeRegistry } from './schema/named.ts';
import { type Field, TableTypes } from './schema/tables.ts';
import { ValueTypes } from './schema/values.ts';

/**
 * What one role may ask, with the names, types, descriptions and order of Hasura v2. Used for introspection and by
 * editors; queries are checked by the planner, which reads the same catalog in the same way. Made in steps: for hundreds of
 * tables it takes seconds.
 */
export function* schemaSteps(catalog: Catalog, role: RoleName): Steps<GraphQLSchema> {
  const registry = new TypeRegistry();
  const tables = tableTypes(catalog, registry);
  const query = (yield* rootSteps({ catalog, role, type: 'query_root' }, tables)) ?? nothingToQuery();
  const subscription = yield* rootSteps({ catalog, role, type: 'subscription_root' }, tables);
  const directives = [...SELECTING, cachedDirective(), freshnessDirective(registry)];
  const types = yield* reachableFrom([query, ...(subscription === null ? [] : [subscription])]);
  // A column may be called what GraphQL's own checks dislike; names were checked when the catalog was resolved.
  return new GraphQLSchema({ query, subscription, directives, types, assumeValid: true });
}

/** The types that a role's operations begin with, with none but the wanted of their fields; types below them are made when asked for. */
export function rootTypes(
  catalog: Catalog,
  role: RoleName,
  wanted: ReadonlySet<string>,
): Readonly<Record<RootType, GraphQLObjectType>> {
  const tables = tableTypes(catalog, new TypeRegistry());
  const root = (type: RootType): GraphQLObjectType =>
    atOnce(rootSteps({ catalog, role, type, wanted }, tables)) ??
    new GraphQLObjectType({ name: type, fields: {} });
  return { query_root: root('query_root'), subscription_root: root('subscription_root') };
}

function tableTypes(catalog: Catalog, registry: TypeRegistry): TableTypes {
  const values = new ValueTypes(catalog, registry);
  return new TableTypes({ catalog, registry, values, comparisons: new ComparisonTypes(registry, values) });
}

/** All types, found without recursion: tables that lead to each other by the thousand are deeper than any stack. */
function* reachableFrom(roots: readonly GraphQLNamedType[]): Steps<readonly GraphQLNamedType[]> {
  const found = new Set<GraphQLNamedType>(roots);
  // The set grows during the loop, which then comes to what was added.
  for (const type of found) {
    yield;
    if (isUnionType(type)) for (const one of type.getTypes()) found.add(one);
    if (!isObjectType(type) && !isInputObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const args = 'args' in field ? field.args : [];
      for (const each of [field, ...args]) found.add(namedTypeOf(each));
    }
  }
  return [...found];
}

function namedTypeOf({ type }: { readonly type: GraphQLType }): GraphQLNamedType {
  return getNamedType(type);
}

/** The type of a role that may ask for nothing: GraphQL wants a field in it. */
function nothingToQuery(): GraphQLObjectType {
  const type = new GraphQLNonNull(GraphQLString);
  return new GraphQLObjectType({
    name: 'query_root',
    fields: { [NO_QUERIES.name]: { type, description: NO_QUERIES.text } },
  });
}

interface RootScope {
  readonly catalog: Catalog;
  readonly role: RoleName;
  readonly type: RootType;
  /** Names of the fields that are wanted; all where it is left out. */
  readonly wanted?: ReadonlySet<string>;
}

function* rootSteps(scope: RootScope, tables: TableTypes): Steps<GraphQLObjectType | null> {
  const fields = yield* rootFields(scope, tables);
  return fields.length === 0 ? null : new GraphQLObjectType({ name: scope.type, fields: sorted(fields) });
}

function* rootFields(
  { catalog, role, type, wanted }: RootScope,
  tables: TableTypes,
): Steps<readonly Field[]> {
  const bySource = new Map<SourceName, Field[]>();
  const fieldsOf = (source: SourceName): Field[] => keptIn(bySource, source, () => []);
  for (const view of visibleTables(catalog, role)) {
    yield;
    const fields = fieldsOf(view.table.source);
    for (const root of wantedOf(rootFieldsOf(view, type), wanted)) {
      const field = tables.rootField(root);
      if (field !== null) fields.push(field);
    }
  }
  for (const source of catalog.sources.values()) {
    for (const called of wantedOf(functionFieldsOf(catalog, role, source), wanted)) {
      yield;
      const view = visibleTable(catalog, role, source.name, called.called.returns);
      const field = view === null ? null : tables.functionField(called, view);
      if (field !== null) fieldsOf(source.name).push(field);
    }
  }
  const found = [...bySource].flatMap(([name, fields]) =>
    underNamespace(catalog.sources.get(name), type, fields),
  );
  return [...found, ...federationFields({ catalog, role, type, wanted }, tables)];
}

function wantedOf<T extends { readonly root: { readonly name: string } }>(
  fields: readonly T[],
  wanted: ReadonlySet<string> | undefined,
): readonly T[] {
  return wanted === undefined ? fields : fields.filter(({ root }) => wanted.has(root.name));
}

function underNamespace(
  source: Source | undefined,
  rootType: RootType,
  fields: readonly Field[],
): readonly Field[] {
  const namespace = source?.namespace ?? null;
  if (source === undefined || namespace === null || fields.length === 0) return fields;
  const name = namespaceTypeOf(source, rootType, namespace);
  return [[namespace, { type: new GraphQLObjectType({ name, fields: sorted(fields) }) }]];
}

/** GraphQL's own, described as in Hasura. */
const SELECTING: readonly GraphQLDirective[] = [
  new GraphQLDirective({
    ...GraphQLIncludeDirective.toConfig(),
    description: 'whether this query should be included',
  }),
  new GraphQLDirective({
    ...GraphQLSkipDirective.toConfig(),
    description: 'whether this query should be skipped',
  }),
];

/** Queries written for Hasura's response cache are read, and answered as others are. */
function cachedDirective(): GraphQLDirective {
  return new GraphQLDirective({
    name: 'cached',
    description: 'accepted, and without effect: how fresh an answer must be is said by @freshness',
    locations: [DirectiveLocation.QUERY],
    args: {
      ttl: { type: new GraphQLNonNull(GraphQLInt), defaultValue: 60, description: 'measured in seconds' },
      refresh: {
        type: new GraphQLNonNull(GraphQLBoolean),
        defaultValue: false,
        description: 'refresh the cache entry',
      },
    },
  });
}

function freshnessDirective(registry: TypeRegistry): GraphQLDirective {
  const fallbacks = [
    { name: 'live', description: 'fetch the rows from the target' },
    { name: 'wait', description: 'wait for the cache to catch up' },
    { name: 'stale', description: 'answer from the cache as it is' },
    { name: 'error', description: 'refuse to answer' },
  ];
  return new GraphQLDirective({
    name: 'freshness',
    description: 'how old cached rows of other databases may be',
    locations: [DirectiveLocation.QUERY, DirectiveLocation.SUBSCRIPTION],
    args: {
      fallback: {
        type: registry.enumeration(
          'freshness_fallback',
          fallbacks,
          'what to do when a cache is not fresh enough',
        ),
        description: 'what to do when a cache is older than that',
      },
      max_staleness_ms: { type: GraphQLInt, description: 'the bound, in milliseconds' },
      token: {
        type: GraphQLString,
        description: 'positions the answer must contain, from an earlier answer',
      },
    },
  });
}
