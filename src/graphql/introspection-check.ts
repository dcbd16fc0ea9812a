import {
  type ArgumentNode,
  type FieldNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isObjectType,
  isRequiredArgument,
  Kind,
  type SelectionSetNode,
  TypeNameMetaFieldDef,
} from 'graphql';
import { must } from '../core/assert.ts';
import type { Fragments } from '../plan/operation/fragments.ts';
import { invalid, missingField } from '../plan/problem.ts';
import { mismatch } from '../plan/value/encode.ts';
import { literal, valueOf } from '../plan/value/input.ts';
import type { IntrospectionBudget } from './introspection-budget.ts';
import { metaField } from './introspection-writer.ts';

/** What a check of an introspection works with; every selection is paid for from its budget. */
export interface Checking {
  readonly schema: GraphQLSchema;
  readonly fragments: Fragments;
  readonly budget: IntrospectionBudget;
}

/** Where the check is: the type selected from, and about how many values of it the answer will have. */
interface Place {
  readonly type: GraphQLNamedType;
  readonly path: string;
  readonly times: number;
}

/**
 * Refuses an introspection that asks for fields that do not exist, leaves out required arguments, or asks for too much:
 * graphql-js leaves unknown fields out silently, and answers however much is asked for.
 */
export function checkSelections(checking: Checking, root: SelectionSetNode): void {
  const query = checking.schema.getQueryType();
  if (query === null || query === undefined) return;
  walk(checking, root, { type: query, path: '$', times: 1 });
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

/** It is there, and not within itself: the operation was planned before. */
function checkSpread(checking: Checking, name: string, place: Place): void {
  const fragment = must(checking.fragments.get(name), 'fragment');
  walk(checking, fragment.selectionSet, { ...place, path: `${place.path}.${name}` });
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
  if (missing !== undefined) throw missingField(`${path}.args.${missing.name}`, missing.name);
  for (const argument of field.arguments ?? []) checkLiteral(argument, args, path);
}

/** The names of types are the only texts that introspection takes, and all else is a boolean that may be null. */
function checkLiteral(
  { name, value }: ArgumentNode,
  args: GraphQLField<unknown, unknown>['args'],
  path: string,
): void {
  if (value.kind === Kind.VARIABLE) return;
  const at = `${path}.args.${name.value}`;
  const isText = args.some((arg) => arg.name === name.value && isRequiredArgument(arg));
  if (isText && value.kind !== Kind.STRING) throw mismatch(at, 'a string', 'String', valueOf(literal(value)));
  if (!isText && value.kind !== Kind.BOOLEAN && value.kind !== Kind.NULL)
    throw mismatch(at, 'a boolean', 'Boolean', valueOf(literal(value)));
}
