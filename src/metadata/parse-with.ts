import type { z } from 'zod';
import { jsonKind } from '../core/json/json-kind.ts';
import { MetadataError } from './metadata-error.ts';

type Issue = z.core.$ZodIssue;

/** What is said of a value that is not there, among others. */
const NEEDS_SOME: ReadonlySet<Issue['code']> = new Set(['invalid_type', 'invalid_union', 'invalid_value']);

/** Checks a value against a schema; errors name the place as Hasura does. */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const found = schema.safeParse(value);
  if (found.success) return found.data;
  const issue = clearest(found.error.issues);
  const missing = NEEDS_SOME.has(issue.code) && valueAt(value, issue.path) === undefined;
  const at = missing ? issue.path.slice(0, -1) : issue.path;
  const message = missing
    ? `key "${String(issue.path.at(-1) ?? '')}" not found`
    : complaint(issue, valueAt(value, issue.path));
  throw new MetadataError('parse-failed', message, { path: path + printPath(at) });
}

/** What Hasura calls the JSON kinds that are expected, and what it says it was parsing. */
const EXPECTED: Readonly<Record<string, readonly [what: string, kind: string]>> = {
  string: ['Text', 'String'],
  number: ['Number', 'Number'],
  int: ['Int', 'Number'],
  boolean: ['Bool', 'Bool'],
  array: ['[]', 'Array'],
  object: ['Object', 'Object'],
  record: ['Object', 'Object'],
};

function complaint(issue: Issue, value: unknown): string {
  if (issue.code === 'too_small' && issue.origin === 'string') return 'empty string not allowed';
  if (issue.code === 'invalid_union') return unionComplaint(issue, value);
  const expected = issue.code === 'invalid_type' ? EXPECTED[issue.expected] : undefined;
  if (expected === undefined) return issue.message;
  const [what, kind] = expected;
  if (kind === 'Number' && typeof value === 'number')
    return `parsing ${what} failed, value is either floating or will cause over or underflow ${value}`;
  return `parsing ${what} failed, expected ${kind}, but encountered ${jsonKind(value)}`;
}

/** The complaint of the arm that takes this kind of value, else the kinds that the arms take. */
function unionComplaint(
  { errors, message }: Extract<Issue, { code: 'invalid_union' }>,
  value: unknown,
): string {
  const own = errors.flat().filter((issue) => issue.path.length === 0);
  const taken = own.map(takenBy);
  const closest = own[taken.indexOf(null)];
  if (closest !== undefined) return complaint(closest, value);
  if (taken.length === 0) return message;
  return `expected ${[...new Set(taken)].join(' or ')}, but encountered ${jsonKind(value)}`;
}

/** What would be taken instead; null where the kind of value is right and something else is not. */
function takenBy(issue: Issue): string | null {
  if (issue.code === 'invalid_type') return EXPECTED[issue.expected]?.[1] ?? issue.expected;
  return issue.code === 'invalid_value'
    ? issue.values.map((value) => JSON.stringify(value)).join(' or ')
    : null;
}

/** JSONPath text of the keys, in Hasura's form: `.tables[0]['odd key']`. */
function printPath(keys: readonly PropertyKey[]): string {
  return keys
    .map((key) => {
      if (typeof key === 'number') return `[${key}]`;
      return /^[A-Za-z0-9_-]+$/.test(String(key)) ? `.${String(key)}` : `['${String(key)}']`;
    })
    .join('');
}

/** Of several complaints the one that lies deepest, since a union complains of every arm it tried. */
function clearest(issues: readonly Issue[], base: readonly PropertyKey[] = []): Issue {
  const [first] = issues.map((issue) => settle({ ...issue, path: [...base, ...issue.path] }));
  if (first === undefined) throw new Error('bug: a schema refused a value and said nothing');
  return first;
}

function settle(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue;
  const arms = issue.errors
    .filter((arm) => arm.length > 0)
    .map((arm) => clearest(arm, issue.path))
    .filter((arm) => arm.path.length > issue.path.length);
  const deepest = arms.toSorted((a, b) => b.path.length - a.path.length)[0];
  return deepest ?? issue;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Record<PropertyKey, unknown>)[key];
  }
  return here;
}
