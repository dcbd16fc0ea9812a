import { expect } from 'vitest';
import type { CaseStep } from './cases.ts';

type Body = Record<string, unknown>;

/** Compares an answer of either endpoint with a case's, as loosely as the case says. */
export function expectAnswer(step: CaseStep, status: number, body: unknown): void {
  const wanted = step.response;
  switch (step.match) {
    case undefined:
      return same(status, body, step.status, wanted);
    case 'one_of':
      expect(step.response_alternatives?.map((one) => JSON.stringify(one))).toContain(JSON.stringify(body));
      return;
    case 'status':
      expect({ status, body }).toMatchObject({ status: step.status });
      return;
    case 'status_and_path':
      return same(status, errorOf(body).path, step.status, errorOf(wanted).path);
    case 'error_code':
      return same(status, errorOf(body).code, step.status, errorOf(wanted).code);
    case 'error_code_and_path':
      return same(status, errorOf(body), step.status, errorOf(wanted));
    case 'subset':
      return same(status, cutTo(wanted, body), step.status, wanted);
    case 'unordered-internal':
    case 'unordered-inconsistent_objects': {
      const key = step.match.slice('unordered-'.length);
      return same(status, sorted(body, key), step.status, sorted(wanted, key));
    }
    default:
      throw new Error(`unknown way to compare: ${step.match}`);
  }
}

function same(status: number, found: unknown, wantedStatus: number, wanted: unknown): void {
  expect({ status, found }).toEqual({ status: wantedStatus, found: wanted });
}

/** Code and path of a GraphQL error or of a metadata error. */
function errorOf(body: unknown): { code: unknown; path: unknown } {
  const [first] = ((body as Body)['errors'] as { extensions: Body }[] | undefined) ?? [];
  const { code, path } = first?.extensions ?? (body as Body);
  return { code, path };
}

/** What of the answer the case speaks of: the wanted keys, and list elements by name, else by position. */
function cutTo(wanted: unknown, found: unknown): unknown {
  if (Array.isArray(wanted) && Array.isArray(found)) {
    return wanted.map((element, index) => cutTo(element, byName(element, found) ?? found[index]));
  }
  if (typeof wanted === 'object' && wanted !== null && typeof found === 'object' && found !== null) {
    return Object.fromEntries(
      Object.entries(wanted).map(([key, inner]) => [key, cutTo(inner, (found as Body)[key])]),
    );
  }
  return found;
}

function byName(element: unknown, found: readonly unknown[]): unknown {
  const name = (element as Body | null)?.['name'];
  return name === undefined ? undefined : found.find((one) => (one as Body | null)?.['name'] === name);
}

function sorted(body: unknown, key: string): unknown {
  const list = (body as Body)[key];
  if (!Array.isArray(list)) return body;
  return {
    ...(body as Body),
    [key]: list.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
  };
}
