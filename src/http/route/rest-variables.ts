import type { EndpointVariable } from '../../catalog/part/endpoints.ts';
import { NearjoinError } from '../../core/errors.ts';
import { isRecord } from '../../core/json/is-record.ts';
import { NumberText } from '../../plan/value/input.ts';
import { refuseCostlyForm } from '../operation/body-bounds.ts';
import { parseJsonExactly } from '../operation/lossless-json.ts';

/** Where a request to an endpoint says the values of variables; the later wins. */
export interface EndpointInput {
  /** The URL's query string. */
  readonly search: string;
  /** A JSON object, or a form. */
  readonly body: string;
  readonly isForm: boolean;
  /** Of the path. */
  readonly texts: ReadonlyMap<string, string>;
}

type Given = { readonly text: string } | { readonly value: unknown };

const NAME = /^[_A-Za-z][_0-9A-Za-z]*$/;
const BOOLEANS: ReadonlySet<string> = new Set(['Boolean', 'Bool']);
const NUMBERS: ReadonlySet<string> = new Set(['Int', 'Float', 'Number', 'Double', 'float8', 'numeric']);

/** The values of an operation's variables; refuses, in Hasura's words, one that the operation does not have. */
export function endpointVariables(
  expected: readonly EndpointVariable[],
  input: EndpointInput,
): Readonly<Record<string, unknown>> {
  const byName = new Map(expected.map((variable) => [variable.name, variable]));
  const values = [...givenIn(input)].flatMap(([name, given]) => {
    const variable = byName.get(name);
    if (variable === undefined) throw refused(`Unexpected variable ${name}`);
    const value = 'text' in given ? fromText(given.text, variable) : given.value;
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(values);
}

/** What cannot be a variable's name is nobody's concern. */
function givenIn({ search, body, isForm, texts }: EndpointInput): ReadonlyMap<string, Given> {
  if (isForm) refuseCostlyForm(body);
  const given = new Map<string, Given>();
  // One after the other: together the members of a form would take a hundred times its memory.
  const take = (name: string, said: Given): void => {
    if (NAME.test(name)) given.set(name, said);
  };
  for (const form of isForm ? [search, body] : [search])
    for (const [name, text] of new URLSearchParams(form)) take(name, { text });
  if (!isForm) for (const [name, value] of Object.entries(objectIn(body))) take(name, { value });
  for (const [name, text] of texts) take(name, { text });
  return given;
}

/** A body that is no object says nothing, as in Hasura. */
function objectIn(body: string): Readonly<Record<string, unknown>> {
  if (body === '') return {};
  const value = jsonIn(body);
  return isRecord(value) ? value : {};
}

/** Undefined where the variable is left to its default. */
function fromText(text: string, { name, type, list, nullable }: EndpointVariable): unknown {
  if (list) {
    const place = `(Variable ${name}, with value ${JSON.stringify(text)})`;
    throw refused(`List variables are not currently supported in URL or Query parameters. ${place}`);
  }
  if (type === 'Boolean' && text === '') return true;
  if (nullable && text === '') return undefined;
  return plainValue(text, type) ?? text;
}

/** The number or truth value that the text says, where the type has such; else undefined. */
function plainValue(text: string, type: string): unknown {
  const wanted = BOOLEANS.has(type) ? 'boolean' : 'number';
  if (wanted === 'number' && !NUMBERS.has(type)) return undefined;
  const value = jsonIn(text);
  return typeof value === wanted || (wanted === 'number' && value instanceof NumberText) ? value : undefined;
}

/** Undefined for a text that is no JSON. */
function jsonIn(text: string): unknown {
  try {
    return parseJsonExactly(text);
  } catch (error) {
    if (error instanceof NearjoinError) throw error;
    return undefined;
  }
}

function refused(message: string): NearjoinError {
  return new NearjoinError('bad-request', message);
}
