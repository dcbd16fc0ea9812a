import {
  type DirectiveNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  GraphQLIncludeDirective,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getArgumentValues,
  getDirectiveValues,
  getNamedType,
  getNullableType,
  isListType,
  isObjectType,
  Kind,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
} from 'graphql';
import type { Steps } from '../core/waiting/slices.ts';
import type { Fragments } from '../plan/operation/fragments.ts';

/** What the fields of an introspection are written from. */
export interface IntrospectionScope {
  readonly schema: GraphQLSchema;
  readonly fragments: Fragments;
  /** By name, coerced to the declared types. */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** One field of the answer, wherever it is asked for again and again. */
interface Part {
  readonly key: string;
  /** The key as it stands in the JSON, with its colon. */
  readonly label: string;
  readonly resolve: (source: unknown) => unknown;
  readonly isList: boolean;
  /** Null for a plain value. */
  readonly type: GraphQLObjectType | null;
  readonly sets: SelectionSetNode[];
  /** The fields of its objects, once they were needed. */
  inner: readonly Part[] | null;
  /** What was written of a type: the same few stand at thousands of fields. */
  readonly written: Map<unknown, string>;
}

/**
 * Writes the JSON of a checked introspection, by response key. It makes no objects of the answer, writes what is said of one type in
 * one place once, and can be left off at every object.
 */
export function* writeIntrospection(
  scope: IntrospectionScope,
  root: GraphQLObjectType,
  selectionSet: SelectionSetNode,
): Steps<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const part of partsOf(scope, root, [selectionSet]))
    texts.set(part.key, yield* written(scope, part, part.resolve(undefined)));
  return texts;
}

function* written(scope: IntrospectionScope, part: Part, value: unknown): Steps<string> {
  if (value === null || value === undefined) return 'null';
  if (!part.isList) return yield* writtenOne(scope, part, value);
  const texts: string[] = [];
  for (const item of value as Iterable<unknown>) texts.push(yield* writtenOne(scope, part, item));
  return `[${texts.join(',')}]`;
}

function* writtenOne(scope: IntrospectionScope, part: Part, value: unknown): Steps<string> {
  if (part.type === null) return JSON.stringify(value);
  const known = part.written.get(value);
  if (known !== undefined) return known;
  part.inner ??= partsOf(scope, part.type, part.sets);
  let text = '{';
  for (const member of part.inner) {
    if (text.length > 1) text += ',';
    const found = member.resolve(value);
    const isPlain = member.type === null && !member.isList;
    // A generator for each plain value would cost more than all the rest.
    text += member.label + (isPlain ? JSON.stringify(found ?? null) : yield* written(scope, member, found));
  }
  text += '}';
  part.written.set(value, text);
  yield;
  return text;
}

function partsOf(
  scope: IntrospectionScope,
  type: GraphQLObjectType,
  sets: readonly SelectionSetNode[],
): readonly Part[] {
  const parts = new Map<string, Part>();
  const collect: Collect = { scope, type, parts, spread: new Set() };
  for (const set of sets) collectInto(collect, set);
  return [...parts.values()];
}

interface Collect {
  readonly scope: IntrospectionScope;
  readonly type: GraphQLObjectType;
  readonly parts: Map<string, Part>;
  readonly spread: Set<string>;
}

function collectInto(collect: Collect, set: SelectionSetNode): void {
  const { scope, type, parts } = collect;
  for (const selection of set.selections) {
    if (!isIncluded(scope, selection)) continue;
    if (selection.kind === Kind.FIELD) {
      addField(scope, type, parts, selection);
      continue;
    }
    const fragment =
      selection.kind === Kind.INLINE_FRAGMENT ? selection : spread(collect, selection.name.value);
    const on = fragment?.typeCondition?.name.value ?? type.name;
    if (fragment !== undefined && on === type.name) collectInto(collect, fragment.selectionSet);
  }
}

/** The fragment's definition when it is spread here for the first time. */
function spread({ scope, spread: seen }: Collect, name: string): FragmentDefinitionNode | undefined {
  if (seen.has(name)) return undefined;
  seen.add(name);
  return scope.fragments.get(name);
}

function addField(
  scope: IntrospectionScope,
  type: GraphQLObjectType,
  parts: Map<string, Part>,
  node: FieldNode,
): void {
  const key = node.alias?.value ?? node.name.value;
  const known = parts.get(key);
  if (known !== undefined) {
    if (node.selectionSet !== undefined) known.sets.push(node.selectionSet);
    return;
  }
  const part = partOf(scope, type, node, key);
  if (part !== null) parts.set(key, part);
}

function partOf(
  scope: IntrospectionScope,
  type: GraphQLObjectType,
  node: FieldNode,
  key: string,
): Part | null {
  const definition = metaField(node.name.value, type);
  if (definition === undefined) return null;
  const inner = getNamedType(definition.type);
  return {
    key,
    label: `${JSON.stringify(key)}:`,
    resolve: resolverOf(scope, type, node, definition),
    isList: isListType(getNullableType(definition.type)),
    type: isObjectType(inner) ? inner : null,
    sets: node.selectionSet === undefined ? [] : [node.selectionSet],
    inner: null,
    written: new Map(),
  };
}

/** A field of a type that introspection knows. */
export function metaField(
  name: string,
  type: { readonly getFields: GraphQLObjectType['getFields'] },
): GraphQLField<unknown, unknown> | undefined {
  const meta = [SchemaMetaFieldDef, TypeMetaFieldDef, TypeNameMetaFieldDef].find(
    (field) => field.name === name,
  );
  return meta ?? type.getFields()[name];
}

/** GraphQL's own resolvers, which look at nothing of what an execution hands to them but the schema. */
function resolverOf(
  { schema, variables }: IntrospectionScope,
  type: GraphQLObjectType,
  node: FieldNode,
  definition: GraphQLField<unknown, unknown>,
): Part['resolve'] {
  const values = getArgumentValues(definition, node, variables);
  const info = { schema, parentType: type } as GraphQLResolveInfo;
  const { resolve } = definition;
  if (resolve === undefined) return () => null;
  return (source) => resolve(source, values, undefined, info);
}

function isIncluded(
  { variables }: IntrospectionScope,
  node: { readonly directives?: readonly DirectiveNode[] | undefined },
): boolean {
  if (node.directives === undefined || node.directives.length === 0) return true;
  const directives = { directives: node.directives };
  if (getDirectiveValues(GraphQLSkipDirective, directives, variables)?.['if'] === true) return false;
  return getDirectiveValues(GraphQLIncludeDirective, directives, variables)?.['if'] !== false;
}
