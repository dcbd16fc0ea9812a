import { type OperationDefinitionNode, parse, type TypeNode } from 'graphql';
import type { InconsistentObject } from '../../core/inconsistent-object.ts';
import type { RestEndpoint } from '../../metadata/model/rest-endpoints.ts';
import type { Metadata } from '../../metadata/model.ts';
import { objectName } from '../../metadata/object/objects.ts';
import { ambiguousEndpoints, type Endpoint, type EndpointVariable, isVariable } from '../part/endpoints.ts';
import type { KeptOperations } from '../part/kept-operations.ts';
import { attempt, definitionOf, Unresolvable } from './problems.ts';

/** The operations that metadata keeps; a collection of the allow list that does not exist allows nothing. */
export function keptOperations(metadata: Metadata, problems: InconsistentObject[]): KeptOperations {
  const { allowlist = [], query_collections: collections = [] } = metadata;
  const queries = new Map(collections.map(({ name, definition }) => [name, definition.queries]));
  const allowed = allowlist.flatMap(({ collection, scope }) =>
    (queries.get(collection) ?? []).map(({ query }) => ({ query, roles: scope.roles ?? null })),
  );
  return { collections, endpoints: resolveEndpoints(metadata, problems), allowed };
}

/** The endpoints whose operations exist. As in Hasura, an odd path, or one that several endpoints match, is reported and kept. */
function resolveEndpoints(metadata: Metadata, problems: InconsistentObject[]): readonly Endpoint[] {
  const endpoints = (metadata.rest_endpoints ?? []).flatMap((entry) => {
    const made = attempt({ kind: 'rest_endpoint', entry }, problems, () => endpointOf(entry, metadata));
    const odd = oddPath(entry);
    if (made !== null && odd !== null) problems.push(problemOf(entry, `${odd}: ${entry.url}`));
    return made ?? [];
  });
  problems.push(...ambiguousEndpoints(endpoints).map(ambiguity));
  return endpoints;
}

function endpointOf(entry: RestEndpoint, { query_collections: collections = [] }: Metadata): Endpoint {
  const { collection_name: collectionName, query_name: queryName } = entry.definition.query;
  const collection = collections.find(({ name }) => name === collectionName);
  if (collection === undefined)
    throw new Unresolvable(`collection with name ${collectionName} does not exist`);
  const listed = collection.definition.queries.find(({ name }) => name === queryName);
  if (listed === undefined)
    throw new Unresolvable(`query with name ${queryName} does not exist in collection ${collectionName}`);
  return {
    name: entry.name,
    url: entry.url,
    segments: entry.url.split('/'),
    methods: entry.methods,
    comment: entry.comment ?? null,
    query: listed.query,
    variables: variablesOf(onlyOperation(listed)),
  };
}

function onlyOperation({ name, query }: Pick<Endpoint, 'name' | 'query'>): OperationDefinitionNode {
  const [only, ...others] = parse(query, { noLocation: true }).definitions;
  if (only?.kind !== 'OperationDefinition' || others.length > 0)
    throw new Unresolvable(`query with name ${name} has multiple definitions.`);
  if (only.operation === 'subscription') throw new Unresolvable(`query with name ${name} is a subscription`);
  return only;
}

function variablesOf({ variableDefinitions = [] }: OperationDefinitionNode): readonly EndpointVariable[] {
  return variableDefinitions.map(({ variable, type }) => {
    const nullable = type.kind !== 'NonNullType';
    const inner = nullable ? type : type.type;
    return { name: variable.name.value, type: baseName(type), list: inner.kind === 'ListType', nullable };
  });
}

function baseName(type: TypeNode): string {
  return type.kind === 'NamedType' ? type.name.value : baseName(type.type);
}

function oddPath({ url }: RestEndpoint): string | null {
  const segments = url.split('/');
  const variables = segments.filter(isVariable);
  if (segments.some((segment) => segment === '' || segment === ':'))
    return 'Empty segments or unnamed variables are not allowed';
  return new Set(variables).size < variables.length ? 'Duplicate variables found in endpoint path' : null;
}

function problemOf(entry: RestEndpoint, reason: string): InconsistentObject {
  return {
    type: 'rest_endpoint',
    name: objectName({ kind: 'rest_endpoint', name: entry.name }),
    reason,
    definition: definitionOf({ kind: 'rest_endpoint', entry }),
  };
}

/** Endpoints that one path can mean, in Hasura's shape. */
interface AmbiguousEndpoints extends InconsistentObject {
  readonly conflicts: readonly unknown[];
}

/** Reported as a problem of the first of them: without it the others may be unambiguous. */
function ambiguity(endpoints: readonly Endpoint[]): AmbiguousEndpoints {
  const conflicts = endpoints.map(({ name, url, methods, comment, query }) => {
    return { name, url, methods, comment, definition: { query } };
  });
  return {
    type: 'rest_endpoint',
    name: objectName({ kind: 'rest_endpoint', name: endpoints[0]?.name ?? '' }),
    reason: `Ambiguous URL paths: ${endpoints.map(({ url }) => url).join(', ')}`,
    definition: conflicts,
    conflicts,
  };
}
