import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getVariableValues,
  isObjectType,
  isRequiredArgument,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  TypeNameMetaFieldDef,
  visit,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Catalog } from '../catalog/catalog.ts';
import type { Clock } from '../core/clock.ts';
import { NearjoinError } from '../core/errors.ts';
import { type JsonText, jsonText } from '../core/json-text.ts';
import type { RoleName } from '../core/names.ts';
import { Stop, type StopSignal } from '../core/stop-signal.ts';
import { Turns } from '../core/turns.ts';
import { IntrospectionBudget } from './introspection-budget.ts';
import { metaField, writeIntrospection } from './introspection-writer.ts';
import { schemaSteps } from './schema.ts';
import { inSlices, type Steps } from './slices.ts';

/** The operation whose introspection fields are wanted. */
export interface IntrospectionRequest {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>>;
}

const META_FIELDS: ReadonlySet<string> = new Set(['__schema', '__type']);

/** A role's name can be the client's invention; those that are asked for again and again are fewer than this. */
const KEPT_SCHEMAS = 100;

/** The schemas of the roles that asked last, each built once per catalog; in slices, as large ones take seconds. */
export class SchemaCache {
  readonly #schemas = new WeakMap<Catalog, LRUCache<RoleName, Promise<GraphQLSchema>>>();
  readonly #answers: IntrospectionAnswers;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#answers = new IntrospectionAnswers(clock);
  }

  schema(catalog: Catalog, role: RoleName): Promise<GraphQLSchema> {
    const schemas =
      this.#schemas.get(catalog) ?? new LRUCache<RoleName, Promise<GraphQLSchema>>({ max: KEPT_SCHEMAS });
    this.#schemas.set(catalog, schemas);
    const known = schemas.get(role);
    if (known !== undefined) return known;
    const schema = inSlices(schemaSteps(catalog, role), this.#clock);
    schemas.set(role, schema);
    // What failed is told to whoever asked, and tried again for the next.
    schema.catch(() => schemas.delete(role));
    return schema;
  }

  /** What the operation's introspection fields are answered with for the role, by response key; the signal ends the wait for that. */
  async introspect(
    { catalog, role }: { readonly catalog: Catalog; readonly role: RoleName },
    request: IntrospectionRequest,
    signal: StopSignal,
  ): Promise<ReadonlyMap<string, JsonText>> {
    return this.#answers.answers(await this.schema(catalog, role), request, signal);
  }
}

/** Answers that are made at the same time: each takes its slices, and may be tens of megabytes long. */
const AT_ONCE = 2;

/** Characters of answers that are kept, and for how many schemas. */
const KEPT_ANSWERS = { maxSize: 64_000_000, max: 20 };

interface KeptAnswers {
  readonly operation: OperationDefinitionNode;
  readonly answers: ReadonlyMap<string, JsonText>;
}

/** Answers that are being made. */
interface Underway {
  readonly operation: OperationDefinitionNode;
  readonly answers: Promise<ReadonlyMap<string, JsonText>>;
}

/**
 * What introspections were answered with lately, the last of each schema: tools ask for all of it again and again, and for
 * hundreds of tables that is tens of megabytes which take a while to make.
 */
class IntrospectionAnswers {
  readonly #clock: Clock;
  readonly #turns = new Turns(AT_ONCE);
  readonly #underway = new WeakMap<GraphQLSchema, Underway>();
  readonly #kept = new LRUCache<GraphQLSchema, KeptAnswers>({
    ...KEPT_ANSWERS,
    sizeCalculation: ({ answers }) => [...answers.values()].reduce((sum, { length }) => sum + length, 1),
  });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** As `executeIntrospection`. */
  async answers(
    schema: GraphQLSchema,
    request: IntrospectionRequest,
    signal: StopSignal,
  ): Promise<ReadonlyMap<string, JsonText>> {
    const { operation } = request;
    const made = (until: StopSignal): Promise<ReadonlyMap<string, JsonText>> =>
      this.#turns.take(() => inSlices(executeIntrospection(schema, request), this.#clock), until);
    // The same text is parsed once, and with values of variables left aside always means the same.
    const isFixed = (operation.variableDefinitions ?? []).length === 0;
    if (!isFixed) return made(signal);
    const kept = this.#kept.get(schema);
    if (kept?.operation === operation) return kept.answers;
    const underway = this.#underway.get(schema);
    if (underway?.operation === operation) return underway.answers;
    // Others may wait for it too.
    const answers = made(new Stop());
    this.#underway.set(schema, { operation, answers });
    try {
      this.#kept.set(schema, { operation, answers: await answers });
    } finally {
      if (this.#underway.get(schema)?.answers === answers) this.#underway.delete(schema);
    }
    return answers;
  }
}

/** Answers the operation's `__schema` and `__type` root fields, by response key; its other fields are left out. */
export function* executeIntrospection(
  schema: GraphQLSchema,
  request: IntrospectionRequest,
): Steps<ReadonlyMap<string, JsonText>> {
  const root = schema.getQueryType();
  if (root === null || root === undefined) return new Map();
  const fragments = fragmentsOf(request.document);
  const budget = new IntrospectionBudget(schema);
  const selectionSet = metaSelections(request.operation.selectionSet, fragments, budget);
  checkSelections({ schema, fragments, budget }, selectionSet);
  const variables = coerced(schema, request, variablesIn(selectionSet, fragments));
  try {
    const texts = yield* writeIntrospection({ schema, fragments, variables }, root, selectionSet);
    return new Map([...texts].map(([key, text]) => [key, jsonText(text)]));
  } catch (error) {
    // An argument or a directive whose value is none.
    if (error instanceof GraphQLError) throw new NearjoinError('validation-failed', error.message);
    throw error;
  }
}

/** The values of the variables that introspection uses. */
function coerced(
  schema: GraphQLSchema,
  { operation, variables }: IntrospectionRequest,
  used: ReadonlySet<string>,
): Readonly<Record<string, unknown>> {
  const declared = operation.variableDefinitions ?? [];
  const definitions = declared.filter(({ variable }) => used.has(variable.name.value));
  const values = getVariableValues(schema, definitions, variables);
  const [error] = values.errors ?? [];
  if (error !== undefined) throw new NearjoinError('validation-failed', error.message);
  return values.coerced ?? {};
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
  const definition = isObjectType(type) ? metaField(name, type) : undefined;
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

function invalid(path: string, message: string): NearjoinError {
  return new NearjoinError('validation-failed', message, { path });
}
