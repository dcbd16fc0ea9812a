import { Kind, type ValueNode } from 'graphql';
import { unreachable } from '../../core/assert.ts';

/** A number kept as its digits, so that nothing is lost on the way to Postgres. */
export class NumberText {
  readonly text: string;
  readonly form: 'integer' | 'float' | 'number';

  /** `form` tells literals (`integer`, `float`) from the numbers of a JSON document (`number`). */
  constructor(text: string, form: 'integer' | 'float' | 'number' = 'number') {
    this.text = text;
    this.form = form;
  }
}

/** An enum literal: a bare name in the request. */
export class EnumText {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** A variable inside a literal list or object. */
export class VariableMention {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** A value given in the request: written there, or inside a variable at `path` (its name first). */
export type Input =
  | { readonly kind: 'literal'; readonly node: ValueNode }
  | { readonly kind: 'json'; readonly value: unknown; readonly path: readonly (string | number)[] };

/** Wraps a literal. */
export function literal(node: ValueNode): Input {
  return { kind: 'literal', node };
}

/** A literal as a plain value: arrays, objects without prototype, strings, booleans, null and the classes above. */
export function plainValue(node: ValueNode): unknown {
  switch (node.kind) {
    case Kind.INT:
      return new NumberText(node.value, 'integer');
    case Kind.FLOAT:
      return new NumberText(node.value, 'float');
    case Kind.STRING:
    case Kind.BOOLEAN:
      return node.value;
    case Kind.NULL:
      return null;
    case Kind.ENUM:
      return new EnumText(node.value);
    case Kind.VARIABLE:
      return new VariableMention(node.name.value);
    case Kind.LIST:
      return node.values.map(plainValue);
    case Kind.OBJECT:
      return bareObject(node.fields.map((field) => [field.name.value, plainValue(field.value)]));
    default:
      return unreachable(node);
  }
}

/** Whether a variable occurs anywhere inside. */
export function hasVariable(node: ValueNode): boolean {
  switch (node.kind) {
    case Kind.VARIABLE:
      return true;
    case Kind.LIST:
      return node.values.some(hasVariable);
    case Kind.OBJECT:
      return node.fields.some((field) => hasVariable(field.value));
    default:
      return false;
  }
}

/** Whether the input is null. */
export function isNull(input: Input): boolean {
  return input.kind === 'literal'
    ? input.node.kind === Kind.NULL
    : input.value === null || input.value === undefined;
}

/** What a plain value is, in the words of Hasura's messages. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (value instanceof NumberText)
    return { integer: 'an integer', float: 'a float', number: 'a number' }[value.form];
  if (value instanceof EnumText) return 'an enum value';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return 'a number';
    case 'string':
      return 'a string';
    case 'boolean':
      return 'a boolean';
    default:
      return 'an object';
  }
}

/** Whether a plain value is an object with members. */
export function hasMembers(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof NumberText) &&
    !(value instanceof EnumText) &&
    !(value instanceof VariableMention)
  );
}

/** Elements of a list input, or null when it is not a list. */
export function elementsOf(input: Input): readonly Input[] | null {
  if (input.kind === 'literal') return input.node.kind === Kind.LIST ? input.node.values.map(literal) : null;
  const { value, path } = input;
  if (!Array.isArray(value)) return null;
  return value.map((element: unknown, index) => ({ kind: 'json', value: element, path: [...path, index] }));
}

/** Whether the input is a list without elements. */
export function isEmptyList(input: Input): boolean {
  return listIn(input)?.length === 0;
}

/** Whether the input is a long list. */
export function isLongList(input: Input): boolean {
  const list = listIn(input);
  return list !== null && isLong(list);
}

const LONG = 50;

/** Whether a list has so many values that a row's is looked up among them: which it is decides what a plan looks like. */
export function isLong({ length }: readonly unknown[]): boolean {
  return length > LONG;
}

function listIn(input: Input): readonly unknown[] | null {
  const list: unknown =
    input.kind === 'json' ? input.value : input.node.kind === Kind.LIST && input.node.values;
  return Array.isArray(list) ? list : null;
}

/** Members of an object input, or null when it is not an object. */
export function membersOf(input: Input): readonly (readonly [string, Input])[] | null {
  if (input.kind === 'literal') {
    if (input.node.kind !== Kind.OBJECT) return null;
    return input.node.fields.map((field) => [field.name.value, literal(field.value)]);
  }
  const { value, path } = input;
  if (!hasMembers(value)) return null;
  return Object.entries(value).map(([name, member]) => [
    name,
    { kind: 'json', value: member, path: [...path, name] },
  ]);
}

/** The input as a plain value. */
export function valueOf(input: Input): unknown {
  return input.kind === 'literal' ? plainValue(input.node) : input.value;
}

/** An object without prototype: keys of requests never meet inherited members. */
export function bareObject(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const object: Record<string, unknown> = Object.create(null);
  for (const [name, value] of entries) object[name] = value;
  return object;
}
