import { createHash } from 'node:crypto';
import { hasMembers, isLong, NumberText } from '../value/input.ts';
import { orderOfTypes } from '../value/representations.ts';
import type { VariableUse } from './variable-uses.ts';
import type { PreparedVariables, Variables } from './variables.ts';

const LONGEST = 200;
/** Deeper than any plan may be. Below it values are not told apart. */
const DEEPEST = 1100;
/** Members of a condition whose texts are names, not values. */
const NAMES: ReadonlySet<string> = new Set(['arguments']);
/** The same for a stream's cursor. */
const CURSOR_NAMES: ReadonlySet<string> = new Set([...NAMES, 'ordering']);

/**
 * A text that changes whenever variables may lead to another plan, and seldom else: values that become parameters
 * leave it alone. Never longer than a few hundred characters.
 */
export function variableShape(prepared: PreparedVariables, variables: Variables): string {
  if (prepared.uses.size === 0) return '';
  const parts: string[] = [];
  for (const [name, use] of prepared.uses) {
    const value = variables.get(name);
    parts.push(value === undefined || value === null ? '-' : shapeOf(use, value));
  }
  const text = parts.join(';');
  return text.length <= LONGEST ? text : createHash('sha256').update(text).digest('base64');
}

function shapeOf(use: VariableUse, value: unknown): string {
  switch (use) {
    case 'value':
      return 'v';
    case 'members':
      return given(value);
    case 'condition':
      return condition(value, 0);
    case 'cursor':
      return cursor(value, 0);
    case 'entities':
      return orderOfTypes(value);
    case 'whole':
      return whole(value, 0);
  }
}

/** Which members there are, and which of them are null. */
function given(value: unknown): string {
  return hasMembers(value)
    ? members(value, (member) => (member === null || member === undefined ? '-' : 'v'))
    : 'v';
}

/** The whole value matters. */
function whole(value: unknown, depth: number): string {
  if (depth > DEEPEST) return '…';
  if (value instanceof NumberText) return value.text;
  if (Array.isArray(value)) return `[${value.map((element) => whole(element, depth + 1)).join(',')}]`;
  if (hasMembers(value)) return members(value, (member) => whole(member, depth + 1));
  return typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? '-');
}

/** Names, nesting and booleans (`_is_null`, `distinct`) matter, and whether a list is long; texts, numbers and how many of them there are do not. */
function condition(value: unknown, depth: number): string {
  if (depth > DEEPEST) return '…';
  if (value === null || value === undefined) return '-';
  if (typeof value === 'boolean') return value ? 't' : 'f';
  if (Array.isArray(value)) return list(value, depth);
  return hasMembers(value) ? conditions(value, depth) : 'v';
}

function list(value: readonly unknown[], depth: number): string {
  if (value.length === 0) return 'e';
  if (value.some(isNested)) return `[${value.map((element) => condition(element, depth + 1)).join(',')}]`;
  return isLong(value) ? 'L' : 'l';
}

function isNested(value: unknown): boolean {
  return Array.isArray(value) || hasMembers(value);
}

function conditions(value: Readonly<Record<string, unknown>>, depth: number): string {
  if (isGeoJson(value)) return 'v';
  return members(value, (member, name) =>
    NAMES.has(name) && !isComparison(member) ? whole(member, depth + 1) : condition(member, depth + 1),
  );
}

/**
 * Tells a column of that name from a list of names: what a column is compared with has operators, which begin with an
 * underscore.
 */
function isComparison(value: unknown): boolean {
  return hasMembers(value) && Object.keys(value).every((name) => name.startsWith('_'));
}

/**
 * Tells a shape, which is one value however many points it has, from a condition: no column of that has a text behind it.
 */
function isGeoJson({ type, coordinates, geometries }: Readonly<Record<string, unknown>>): boolean {
  return typeof type === 'string' && Array.isArray(coordinates ?? geometries);
}

/** As for a condition, except that every element matters, and so do the words of an ordering. */
function cursor(value: unknown, depth: number): string {
  if (Array.isArray(value) && depth === 0) return `[${value.map((item) => cursor(item, 1)).join(',')}]`;
  if (!hasMembers(value)) return condition(value, depth);
  return members(value, (member, name) =>
    CURSOR_NAMES.has(name) ? whole(member, depth + 1) : condition(member, depth + 1),
  );
}

function members(
  value: Readonly<Record<string, unknown>>,
  print: (member: unknown, name: string) => string,
): string {
  const texts = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${print(member, name)}`,
  );
  return `{${texts.join(',')}}`;
}
