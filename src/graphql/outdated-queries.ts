import {
  type DocumentNode,
  type FieldNode,
  type GraphQLObjectType,
  getNamedType,
  isEnumType,
  isObjectType,
  isUnionType,
  Kind,
  parse,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  visit,
} from 'graphql';
import type { Catalog, Table } from '../catalog/catalog.ts';
import type { Endpoint } from '../catalog/part/endpoints.ts';
import { messageOf } from '../core/errors.ts';
import type { InconsistentObject } from '../core/inconsistent-object.ts';
import { ADMIN } from '../core/names.ts';
import { type Fragments, fragmentsOf } from '../plan/operation/fragments.ts';
import { operationOf } from './documents.ts';
import { rootTypes } from './schema.ts';

type Roots = ReturnType<typeof rootTypes>;

/** Looks for operations of collections that ask for what not even the administrator has; what was found is kept while nothing changes. */
export class OutdatedQueries {
  #last: { readonly basis: Basis; readonly found: readonly InconsistentObject[] } | null = null;

  /** As inconsistent objects in Hasura's words. */
  in(catalog: Catalog): readonly InconsistentObject[] {
    const basis = basisOf(catalog);
    if (this.#last !== null && areSame(this.#last.basis, basis)) return this.#last.found;
    const found = outdatedIn(catalog);
    this.#last = { basis, found };
    return found;
  }
}

/** All that the outcome depends on: tables, compared by identity, and the rest as a text. */
interface Basis {
  readonly tables: readonly Table[];
  readonly text: string;
}

function basisOf({ sources, kept }: Catalog): Basis {
  const all = [...sources.values()];
  const roots = all.map(({ name, namespace, functions }) => [
    name,
    namespace,
    [...functions.values()].map(({ ref, exposedAs, root, set }) => [ref, exposedAs, root, set]),
  ]);
  return {
    tables: all.flatMap(({ tables, queries }) => [...tables.values(), ...queries.values()]),
    text: JSON.stringify([roots, kept]),
  };
}

function areSame(a: Basis, b: Basis): boolean {
  return (
    a.text === b.text &&
    a.tables.length === b.tables.length &&
    a.tables.every((table, index) => table === b.tables[index])
  );
}

function outdatedIn(catalog: Catalog): readonly InconsistentObject[] {
  const { collections, endpoints, allowed: listed } = catalog.kept;
  const allowed = new Set(listed.map(({ query }) => query));
  const queries = collections.flatMap(({ name: collection, definition }) =>
    definition.queries.map(({ name, query }) => {
      return { collection, name, query, document: parse(query, { noLocation: true }) };
    }),
  );
  const roots = rootTypes(catalog, ADMIN, namesIn(queries.map(({ document }) => document)));
  return queries.flatMap(({ collection, name, query, document }): InconsistentObject[] => {
    const problems = problemsOf(document, roots);
    if (problems.length === 0) return [];
    const told = problems.toReversed().map((problem) => `"${problem}"`);
    const text =
      `In query collection "${collection}" the query "${name}" is invalid with the following error(s): ${told.join(', ')}` +
      endpointsText(endpoints, query) +
      (allowed.has(query) ? '. This query is in allowlist.' : '');
    return [
      {
        type: 'query_collections',
        name: `query_collections ${name} in ${collection}`,
        reason: `Inconsistent object: ${text}`,
        definition: { name, query },
      },
    ];
  });
}

/** The names of all fields, wherever they are: namespaces have root fields below them. */
function namesIn(documents: readonly DocumentNode[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const document of documents) visit(document, { Field: ({ name }) => void names.add(name.value) });
  return names;
}

function endpointsText(endpoints: readonly Endpoint[], query: string): string {
  const names = endpoints.filter((endpoint) => endpoint.query === query).map(({ name }) => `"${name}"`);
  if (names.length === 0) return '';
  return `. This query is being used in the following REST endpoint(s): ${names.toReversed().join(', ')}`;
}

function problemsOf(document: DocumentNode, roots: Roots): readonly string[] {
  const operations = document.definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION);
  try {
    const { operation, selectionSet } = operationOf({ id: 0, document, operations }, null);
    if (operation === 'mutation') return ["$: type 'mutation_root' not found in the schema"];
    const root = roots[`${operation}_root`];
    const walk = new Walk(document, root);
    walk.selections(selectionSet, root, '$');
    return walk.problems;
  } catch (error) {
    return [messageOf(error)];
  }
}

/** Looks for fields that are not there; arguments and variables are left to whoever runs the operation. */
class Walk {
  readonly problems: string[] = [];
  readonly #root: GraphQLObjectType;
  readonly #fragments: Fragments;
  /** Fragments by the types they were looked at in: each once, however often they are spread. */
  readonly #seen = new Set<string>();

  constructor(document: DocumentNode, root: GraphQLObjectType) {
    this.#root = root;
    this.#fragments = fragmentsOf(document);
  }

  selections(set: SelectionSetNode, type: GraphQLObjectType, path: string): void {
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) this.#field(selection, type, `${path}.${selection.name.value}`);
      else if (selection.kind === Kind.INLINE_FRAGMENT) this.selections(selection.selectionSet, type, path);
      else this.#spread(selection.name.value, type, path);
    }
  }

  #spread(name: string, type: GraphQLObjectType, path: string): void {
    const fragment = this.#fragments.get(name);
    const key = `${type.name} ${name}`;
    if (fragment === undefined) this.problems.push(`reference to undefined fragment '${name}'`);
    else if (!this.#seen.has(key)) {
      this.#seen.add(key);
      this.selections(fragment.selectionSet, type, path);
    }
  }

  #field({ name: { value: name }, selectionSet }: FieldNode, type: GraphQLObjectType, path: string): void {
    const refuse = (problem: string): void => void this.problems.push(`${path}: ${problem}`);
    const field = type.getFields()[name] ?? this.#metaField(name, type);
    if (field === undefined) return refuse(`field '${name}' not found in object '${type.name}'`);
    const inner = getNamedType(field.type);
    // Only the request says which type an entity has.
    if (isUnionType(inner)) return;
    if (!isObjectType(inner)) {
      const what = isEnumType(inner) ? 'enum' : 'scalar';
      if (selectionSet !== undefined) refuse(`${what} '${inner.name}' does not accept a selection set`);
    } else if (selectionSet === undefined) {
      refuse(`object of type '${inner.name}' must have a selection set`);
    } else {
      this.selections(selectionSet, inner, path);
    }
  }

  #metaField(name: string, type: GraphQLObjectType): typeof SchemaMetaFieldDef | undefined {
    const own = type === this.#root ? [SchemaMetaFieldDef, TypeMetaFieldDef] : [];
    return [TypeNameMetaFieldDef, ...own].find((field) => field.name === name);
  }
}
