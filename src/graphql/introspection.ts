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
import { LRUCache } from 'lru-cache';
import type { Catalog } from '../catalog/catalog.ts';
import { NearjoinError } from '../core/errors.ts';
import { type JsonText, jsonText } from '../core/json-text.ts';
import type { RoleName } from '../core/names.ts';
import { IntrospectionBudget } from './introspection-budget.ts';
import { buildSchema } from './schema.ts';

/** The operation whose introspection fields are wanted. */
export interface IntrospectionRequest {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>>;
}

const META_FIELDS: ReadonlySet<string> = new Set(['__schema', '__type']);

/** A role's name can be the client's invention; those that are asked for again and again are fewer than this. */
const KEPT_SCHEMAS = 100;

/** The schemas of the roles that asked last, each built once per catalog. */
export class SchemaCache {
  readonly #schemas = new WeakMap<Catalog, LRUCache<RoleName, GraphQLSchema>>();
  readonly #answers = new IntrospectionAnswers();

  schema(catalog: Catalog, role: RoleName): GraphQLSchema {
    const schemas =
      this.#schemas.get(catalog) ?? new LRUCache<RoleName, GraphQLSchema>({ max: KEPT_SCHEMAS });
    this.#schemas.set(catalog, schemas);
    const schema = schemas.get(role) ?? buildSchema(catalog, role);
    schemas.set(role, schema);
    return schema;
  }

  /** What the operation's introspection fields are answered with for the role, by response key. */
  introspect(catalog: Catalog, role: RoleName, request: IntrospectionRequest): ReadonlyMap<string, JsonText> {
    return this.#answers.answers(this.schema(catalog, role), request);
  }
}

/** Characters of answers that are kept, and for how many schemas. */
const KEPT_ANSWERS = { maxSize: 64_000_000, max: 20 };

interface KeptAnswers {
  readonly operation: OperationDefinitionNode;
  readonly answers: ReadonlyMap<string, JsonText>;
}

/**
 * What introspections were answered with lately, the last of each schema: tools ask for all of it again and again, and for
 * hundreds of tables that is tens of megabytes which take seconds to make, while nothing else is answered.
 */
class IntrospectionAnswers {
  readonly #kept = new LRUCache<GraphQLSchema, KeptAnswers>({
    ...KEPT_ANSWERS,
    sizeCalculation: ({ answers }) => [...answers.values()].reduce((sum, { length }) => sum + length, 1),
  });

  /** As `executeIntrospection`. */
  answers(schema: GraphQLSchema, request: IntrospectionRequest): ReadonlyMap<string, JsonText> {
    const { operation } = request;
    const kept = this.#kept.get(schema);
    // The same text is parsed once, and with values of variables left aside always means the same.
    if (kept?.operation === operation) return kept.answers;
    const answers = executeIntrospection(schema, request);
    const isFixed = (operation.variableDefinitions ?? []).length === 0;
    if (isFixed) this.#kept.set(schema, { operation, answers });
    return answers;
  }
}

/** Answers the operation's `__schema` and `__type` root fields, by response key; its other fields are left out. */
export function executeIntrospection(
  schema: GraphQLSchema,
  request: IntrospectionRequest,
): ReadonlyMap<string, JsonText> {
  const fragments = fragmentsOf(request.document);
  const budget = new IntrospectionBudget(schema);
  const selectionSet = metaSelections(request.operation.selectionSet, fragments, budget);
  checkSelections({ schema, fragments, budget }, selectionSet);
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
function metaSelections(
  from: SelectionSetNode,
  fragments: Fragments,
  budget: IntrospectionBudget,
): SelectionSetNode {
  const selections = from.selections.flatMap((selection): SelectionNode[] => {
    budget.spend(1, '$.selectionSet');
    if (selection.kind === Kind.FIELD) return META_FIELDS.has(selection.name.value) ? [selection] : [];
    const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
    if (inner === undefined) return [];
    const selectionSet = metaSelections(inner.selectionSet, fragments, budget);
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

interface Checking {
  readonly schema: GraphQLSchema;
  readonly fragments: Fragments;
  readonly budget: IntrospectionBudget;
}

/** Where a check is, and how many values the selections there are asked of. */
interface Place {
  readonly type: GraphQLNamedType;
  readonly path: string;
  readonly times: number;
  /** Fragments we are inside of. */
  readonly open: readonly string[];
}

/** graphql-js leaves unknown fields out silently, and answers however much is asked for; a client expects to be told. */
function checkSelections(checking: Checking, root: SelectionSetNode): void {
  const query = checking.schema.getQueryType();
  if (query === null || query === undefined) return;
  walk(checking, root, { type: query, path: '$', times: 1, open: [] });
}

function walk(checking: Checking, node: SelectionSetNode, place: Place): void {
  const path = `${place.path}.selectionSet`;
  for (const selection of node.selections) {
    checking.budget.spend(place.times, path);
    if (selection.kind === Kind.FIELD) checkField(checking, selection, { ...place, path });
    else if (selection.kind === Kind.INLINE_FRAGMENT) walk(checking, selection.selectionSet, place);
    else checkSpread(checking, selection.name.value, { ...place, path });
  }
}

function checkSpread(checking: Checking, name: string, place: Place): void {
  const { path, open } = place;
  const fragment = checking.fragments.get(name);
  if (fragment === undefined) throw invalid(path, `reference to undefined fragment '${name}'`);
  if (open.includes(name)) {
    const trail = [...open.slice(open.indexOf(name)).reverse(), name].map((step) => `'${step}'`).join(', ');
    throw invalid(path, `cannot spread fragment '${name}' within itself via [${trail}]`);
  }
  walk(checking, fragment.selectionSet, { ...place, path: `${path}.${name}`, open: [...open, name] });
}

function checkField(checking: Checking, field: FieldNode, place: Place): void {
  const name = field.name.value;
  if (name === TypeNameMetaFieldDef.name) return;
  const { type } = place;
  const path = `${place.path}.${name}`;
  const definition = definitionOf(name, type);
  if (definition === undefined) throw invalid(path, `field '${name}' not found in type: '${type.name}'`);
  checkArguments(field, definition, path);
  const inner = getNamedType(definition.type);
  if (!isObjectType(inner)) {
    if (field.selectionSet !== undefined)
      throw invalid(path, 'unexpected subselection set for non-object field');
  } else if (field.selectionSet === undefined) {
    throw invalid(path, `missing selection set for '${inner.name}'`);
  } else {
    const times = place.times * checking.budget.sizeOf(name, place.times);
    walk(checking, field.selectionSet, { ...place, type: inner, path, times });
  }
}

function checkArguments(field: FieldNode, { args }: GraphQLField<unknown, unknown>, path: string): void {
  const name = field.name.value;
  const unknown = field.arguments?.find((argument) => !args.some((arg) => arg.name === argument.name.value));
  if (unknown !== undefined) throw invalid(path, `'${name}' has no argument named '${unknown.name.value}'`);
  const missing = args.find(
    (arg) => isRequiredArgument(arg) && !field.arguments?.some((given) => given.name.value === arg.name),
  );
  if (missing !== undefined)
    throw invalid(`${path}.args.${missing.name}`, `missing required field '${missing.name}'`);
}

function definitionOf(name: string, type: GraphQLNamedType): GraphQLField<unknown, unknown> | undefined {
  const meta = [SchemaMetaFieldDef, TypeMetaFieldDef].find((definition) => definition.name === name);
  return meta ?? (isObjectType(type) ? type.getFields()[name] : undefined);
}

function invalid(path: string, message: string): NearjoinError {
  return new NearjoinError('validation-failed', message, { path });
}
