import { isDeepStrictEqual } from 'node:util';
import {
  type DefinitionNode,
  type FieldDefinitionNode,
  type InputValueDefinitionNode,
  Kind,
  type ObjectTypeDefinitionNode,
  type ObjectTypeExtensionNode,
  parse,
  print,
  type StringValueNode,
} from 'graphql';
import { messageOf, NearjoinError } from '../../core/errors.ts';
import { isRecord } from '../../core/json/is-record.ts';
import { inKeyOrder, keys } from '../document/key-order.ts';

/** The sections of a document that `actions.yaml` and `actions.graphql` hold together. */
export interface ActionParts {
  readonly actions: unknown;
  readonly custom_types: unknown;
}

type Entry = Readonly<Record<string, unknown>>;

/** The lists of custom types, in the order of `actions.graphql`, with the word that begins a definition. */
const LISTS = { enums: 'enum', input_objects: 'input', objects: 'type', scalars: 'scalar' } as const;
type List = keyof typeof LISTS;

/** What stands where there are no custom types. */
export const NO_TYPES: Readonly<Record<List, readonly unknown[]>> = {
  enums: [],
  input_objects: [],
  objects: [],
  scalars: [],
};

/** What `actions.graphql` says of an action, so that `actions.yaml` does not. */
const IN_SDL: ReadonlySet<string> = new Set(['arguments', 'type', 'output_type']);
const ROOTS: Readonly<Record<string, string>> = { query: 'Query', mutation: 'Mutation' };

const CONTENT_ORDER = {
  actions: {
    name: {},
    definition: keys('kind', 'handler', 'forward_client_headers', 'headers', 'timeout'),
    ...keys('permissions', 'comment'),
  },
  custom_types: Object.fromEntries(
    Object.keys(LISTS).map((list) => [list, keys('name', 'description', 'fields', 'values')]),
  ),
};

/**
 * Both files as the stock command line writes them: what GraphQL has words for in `actions.graphql`, the rest in
 * `actions.yaml`. Actions that could not be read back from there all stand in `actions.yaml`.
 */
export function actionFiles(given: ActionParts): { readonly content: ActionParts; readonly graphql: string } {
  const whole = withAllLists(given);
  const graphql = sdlOf(whole);
  const actions = entries(whole.actions).map((action) => ({
    ...action,
    definition: without(action['definition'], IN_SDL),
  }));
  const types = lists().map((list) => {
    const fields = new Set(list === 'enums' ? [] : ['fields']);
    return [list, entries(whole.custom_types[list]).map((type) => without(type, fields))] as const;
  });
  const content = { actions, custom_types: Object.fromEntries(types) };
  const isWhole = isDeepStrictEqual(readBack(content, graphql), whole);
  return isWhole ? { content: inKeyOrder(content, CONTENT_ORDER), graphql } : { content: whole, graphql: '' };
}

/** The sections again; without a text in `actions.graphql` they are what `actions.yaml` has. */
export function readActions(content: unknown, graphql: string): Readonly<Record<string, unknown>> {
  const held = isRecord(content) ? content : {};
  if (graphql.trim() === '') return held;
  return {
    ...merged(withAllLists({ actions: held['actions'], custom_types: held['custom_types'] }), graphql),
  };
}

interface Whole {
  readonly actions: readonly unknown[];
  readonly custom_types: Readonly<Record<string, unknown>>;
}

function withAllLists({ actions, custom_types: types }: ActionParts): Whole {
  return {
    actions: Array.isArray(actions) ? actions : [],
    custom_types: { ...NO_TYPES, ...(isRecord(types) ? types : {}) },
  };
}

function readBack(content: Whole, graphql: string): Whole | null {
  try {
    return merged(content, graphql);
  } catch {
    return null;
  }
}

function merged({ actions, custom_types: types }: Whole, graphql: string): Whole {
  const sdl = definitionsIn(graphql);
  return {
    actions: named(entries(actions), sdl.actions, mergedAction),
    custom_types: Object.fromEntries(
      lists().map((list) => [
        list,
        named(entries(types[list]), sdl[list], (yaml, found) => ({ ...found, ...yaml })),
      ]),
    ),
  };
}

/** The definitions in their order, each with what else is said of it under its name. */
function named(
  yaml: readonly Entry[],
  sdl: readonly Entry[],
  merge: (yaml: Entry, sdl: Entry) => Entry,
): Entry[] {
  const stray = yaml.find(({ name }) => !sdl.some((found) => found['name'] === name));
  if (stray !== undefined) throw problem(`"${String(stray['name'])}" is not there, but in actions.yaml`);
  return sdl.map((found) => merge(yaml.find(({ name }) => name === found['name']) ?? {}, found));
}

function mergedAction(yaml: Entry, sdl: Entry): Entry {
  const { definition } = yaml;
  return {
    ...sdl,
    ...yaml,
    definition: { ...(isRecord(definition) ? definition : {}), ...(sdl['definition'] as Entry) },
  };
}

type Definitions = Readonly<Record<'actions' | List, Entry[]>>;

function definitionsIn(graphql: string): Definitions {
  const found: Definitions = { actions: [], enums: [], input_objects: [], objects: [], scalars: [] };
  for (const node of definitionsOf(graphql)) {
    if (isRoot(node)) {
      const [type] = Object.entries(ROOTS).find(([, root]) => root === node.name.value) ?? [];
      for (const field of node.fields ?? []) found.actions.push(actionOf(field, type));
      continue;
    }
    const [list, entry] = typeOf(node);
    found[list].push(entry);
  }
  return found;
}

function definitionsOf(graphql: string): readonly DefinitionNode[] {
  try {
    return parse(graphql, { noLocation: true }).definitions;
  } catch (error) {
    throw problem(messageOf(error));
  }
}

function isRoot(node: DefinitionNode): node is ObjectTypeDefinitionNode | ObjectTypeExtensionNode {
  const isObject = node.kind === Kind.OBJECT_TYPE_DEFINITION || node.kind === Kind.OBJECT_TYPE_EXTENSION;
  return isObject && Object.values(ROOTS).includes(node.name.value);
}

function actionOf(field: FieldDefinitionNode, type: unknown): Entry {
  const args = (field.arguments ?? []).map(memberOf);
  const listed = args.length === 0 ? {} : { arguments: args };
  return { name: field.name.value, definition: { ...listed, type, output_type: print(field.type) } };
}

function typeOf(node: DefinitionNode): readonly [List, Entry] {
  switch (node.kind) {
    case Kind.SCALAR_TYPE_DEFINITION:
      return ['scalars', { name: node.name.value, ...described(node) }];
    case Kind.ENUM_TYPE_DEFINITION: {
      const values = (node.values ?? []).map((value) => ({ value: value.name.value, ...described(value) }));
      return ['enums', { name: node.name.value, ...described(node), values }];
    }
    case Kind.INPUT_OBJECT_TYPE_DEFINITION:
    case Kind.OBJECT_TYPE_DEFINITION: {
      const list = node.kind === Kind.OBJECT_TYPE_DEFINITION ? 'objects' : 'input_objects';
      return [list, { name: node.name.value, ...described(node), fields: (node.fields ?? []).map(memberOf) }];
    }
    default:
      throw problem(`what is defined may be a type, an input, an enum or a scalar, not ${node.kind}`);
  }
}

function memberOf(node: FieldDefinitionNode | InputValueDefinitionNode): Entry {
  return { name: node.name.value, type: print(node.type), ...described(node) };
}

function described({ description }: { readonly description?: StringValueNode | undefined }): Entry {
  return description === undefined ? {} : { description: description.value.trim() };
}

/** No GraphQL where something has not the form of an action or a type. */
function sdlOf({ actions, custom_types: types }: Whole): string {
  const roots = entries(actions).map(({ name, definition }) => {
    const { type, arguments: args, output_type: output } = isRecord(definition) ? definition : {};
    const listed = entries(args).map((arg) => `    ${lineOf(arg)}\n`);
    const inside = listed.length === 0 ? '' : `(\n${listed.join('')}  )`;
    return `type ${ROOTS[String(type)] ?? ''} {\n  ${String(name)}${inside}: ${String(output)}\n}\n\n`;
  });
  const others = lists().flatMap((list) =>
    entries(types[list]).map((type) => {
      const lines = entries(type['fields'] ?? type['values']).map((member) => `  ${lineOf(member)}\n`);
      const body = list === 'scalars' ? '' : ` {\n${lines.join('')}}`;
      return `${descriptionOf(type)}${LISTS[list]} ${String(type['name'])}${body}\n\n`;
    }),
  );
  return [...roots, ...others].join('');
}

function lineOf(member: Entry): string {
  const { name, type, value } = member;
  return descriptionOf(member) + (typeof value === 'string' ? value : `${String(name)}: ${String(type)}`);
}

function descriptionOf({ description }: Entry): string {
  return typeof description === 'string' ? `""" ${description.replaceAll('"""', '\\"""')} """ ` : '';
}

function lists(): readonly List[] {
  return Object.keys(LISTS) as List[];
}

function entries(list: unknown): readonly Entry[] {
  return Array.isArray(list) ? list.filter(isRecord) : [];
}

function without(value: unknown, left: ReadonlySet<string>): Entry {
  return Object.fromEntries(Object.entries(isRecord(value) ? value : {}).filter(([key]) => !left.has(key)));
}

function problem(text: string): NearjoinError {
  return new NearjoinError('invalid-configuration', `actions.graphql: ${text}`);
}
