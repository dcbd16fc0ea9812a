import {
  type DocumentNode,
  executeSync,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isObjectType,
  isRequiredArgument,
  Kind,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  type SelectionNode,
  type SelectionSetNode,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  visit,
} from 'graphql';
import type { Catalog } from '../catalog/catalog.ts';
import { NearjoinError } from '../core/errors.ts';
import { type JsonText, jsonText } from '../core/json-text.ts';
import type { RoleName } from '../core/names.ts';
import { buildSchema } from './schema.ts';

/** The operation whose introspection fields are wanted. */
export interface IntrospectionRequest {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>>;
}

const META_FIELDS: ReadonlySet<string> = new Set(['__schema', '__type']);

/** The schemas of the roles that asked, each built once per catalog. */
export class SchemaCache {
  readonly #schemas = new WeakMap<Catalog, Map<RoleName, GraphQLSchema>>();

  schema(catalog: Catalog, role: RoleName): GraphQLSchema {
    const schemas = this.#schemas.get(catalog) ?? new Map<RoleName, GraphQLSchema>();
    this.#schemas.set(catalog, schemas);
    const schema = schemas.get(role) ?? buildSchema(catalog, role);
    schemas.set(role, schema);
    return schema;
  }
}

/** Answers the operation's `__schema` and `__type` root fields, by response key; its other fields are left out. */
export function executeIntrospection(
  schema: GraphQLSchema,
  request: IntrospectionRequest,
): ReadonlyMap<string, JsonText> {
  const fragments = fragmentsOf(request.document);
  const selectionSet = metaSelections(request.operation.selectionSet, fragments);
  checkSelections(schema, selectionSet, fragments);
  const used = variablesIn(selectionSet, fragments);
  const declared = request.operation.variableDefinitions ?? [];
  const variableDefinitions = declared.filter(({ variable }) => used.has(variable.name.value));
  const operation = { ...request.operation, directives: [], selectionSet, variableDefinitions };
  const result = executeSync({
    schema,
    document: { kind: Kind.DOCUMENT, definitions: [operation, ...fragments.values()] },
    variableValues: request.variables,
  });
  const [error] = result.errors ?? [];
  if (error !== undefined) throw new NearjoinError('validation-failed', error.message);
  return new Map(
    Object.entries(result.data ?? {}).map(([key, value]) => [key, jsonText(JSON.stringify(value))]),
  );
}

type Fragments = ReadonlyMap<string, FragmentDefinitionNode>;

function fragmentsOf(document: DocumentNode): Fragments {
  const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
  return new Map(fragments.map((fragment) => [fragment.name.value, fragment]));
}

/** Root selections reduced to the meta fields; fragments on the root are opened, their directives kept. */
function metaSelections(from: SelectionSetNode, fragments: Fragments): SelectionSetNode {
  const selections = from.selections.flatMap((selection): SelectionNode[] => {
    if (selection.kind === Kind.FIELD) return META_FIELDS.has(selection.name.value) ? [selection] : [];
    const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
    if (inner === undefined) return [];
    const selectionSet = metaSelections(inner.selectionSet, fragments);
    const directives = selection.directives ?? [];
    return selectionSet.selections.length === 0
      ? []
      : [{ kind: Kind.INLINE_FRAGMENT, directives, selectionSet }];
  });
  return { kind: Kind.SELECTION_SET, selections };
}

function variablesIn(selectionSet: SelectionSetNode, fragments: Fragments): ReadonlySet<string> {
  const names = new Set<string>();
  const opened = new Set<string>();
  const collect = (node: SelectionSetNode): void => {
    visit(node, {
      Variable: ({ name }) => void names.add(name.value),
      FragmentSpread: ({ name }) => {
        const fragment = fragments.get(name.value);
        if (fragment === undefined || opened.has(name.value)) return;
        opened.add(name.value);
        collect(fragment.selectionSet);
      },
    });
  };
  collect(selectionSet);
  return names;
}

/** graphql-js leaves unknown fields out silently; a client expects to be told. */
function checkSelections(schema: GraphQLSchema, root: SelectionSetNode, fragments: Fragments): void {
  const query = schema.getQueryType();
  if (query === null || query === undefined) return;
  const walk = (
    node: SelectionSetNode,
    type: GraphQLNamedType,
    path: string,
    open: readonly string[],
  ): void => {
    for (const selection of node.selections) {
      const here = `${path}.selectionSet`;
      if (selection.kind === Kind.FIELD) {
        checkField(selection, type, here, (inner, innerType, innerPath) =>
          walk(inner, innerType, innerPath, open),
        );
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        walk(selection.selectionSet, type, path, open);
      } else {
        const name = selection.name.value;
        const fragment = fragments.get(name);
        if (fragment === undefined) throw invalid(here, `reference to undefined fragment '${name}'`);
        if (open.includes(name)) {
          const trail = [...open.slice(open.indexOf(name)).reverse(), name]
            .map((step) => `'${step}'`)
            .join(', ');
          throw invalid(here, `cannot spread fragment '${name}' within itself via [${trail}]`);
        }
        walk(fragment.selectionSet, type, `${here}.${name}`, [...open, name]);
      }
    }
  };
  walk(root, query, '$', []);
}

type Walk = (node: SelectionSetNode, type: GraphQLNamedType, path: string) => void;

function checkField(field: FieldNode, type: GraphQLNamedType, path: string, walk: Walk): void {
  const name = field.name.value;
  if (name === TypeNameMetaFieldDef.name) return;
  const here = `${path}.${name}`;
  const definition = definitionOf(name, type);
  if (definition === undefined) throw invalid(here, `field '${name}' not found in type: '${type.name}'`);
  const unknown = field.arguments?.find(
    (argument) => !definition.args.some((arg) => arg.name === argument.name.value),
  );
  if (unknown !== undefined) throw invalid(here, `'${name}' has no argument named '${unknown.name.value}'`);
  const missing = definition.args.find(
    (arg) => isRequiredArgument(arg) && !field.arguments?.some((given) => given.name.value === arg.name),
  );
  if (missing !== undefined)
    throw invalid(`${here}.args.${missing.name}`, `missing required field '${missing.name}'`);
  const inner = getNamedType(definition.type);
  if (!isObjectType(inner)) {
    if (field.selectionSet !== undefined)
      throw invalid(here, 'unexpected subselection set for non-object field');
  } else if (field.selectionSet === undefined) {
    throw invalid(here, `missing selection set for '${inner.name}'`);
  } else {
    walk(field.selectionSet, inner, here);
  }
}

function definitionOf(name: string, type: GraphQLNamedType): GraphQLField<unknown, unknown> | undefined {
  const meta = [SchemaMetaFieldDef, TypeMetaFieldDef].find((definition) => definition.name === name);
  return meta ?? (isObjectType(type) ? type.getFields()[name] : undefined);
}

function invalid(path: string, message: string): NearjoinError {
  return new NearjoinError('validation-failed', message, { path });
}
