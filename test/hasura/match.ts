import { expect } from 'vitest';
import type { CaseStep } from './cases.ts';

type Body = Record<string, unknown>;

/** Compares an answer with a case's, as loosely as the case says. */
export function expectAnswer(step: CaseStep, status: number, body: unknown): void {
  const wanted = step.response as Body;
  switch (step.match) {
    case undefined:
      expect({ status, body }).toEqual({ status: step.status, body: wanted });
      return;
    case 'status':
      expect({ status, body }).toMatchObject({ status: step.status });
      return;
    case 'status_and_path':
      expect({ status, body }).toMatchObject({ status: step.status, body: { path: wanted['path'] } });
      return;
    case 'error_code':
      expect({ status, body }).toMatchObject({ status: step.status, body: { code: wanted['code'] } });
      return;
    case 'error_code_and_path':
      expect({ status, body }).toMatchObject({
        status: step.status,
        body: { code: wanted['code'], path: wanted['path'] },
      });
      return;
    case 'subset':
      expect({ status, body }).toMatchObject({ status: step.status, body: wanted });
      return;
    case 'unordered-internal':
      expect({ status, body: sorted(body, 'internal') }).toEqual({
        status: step.status,
        body: sorted(wanted, 'internal'),
      });
      return;
    case 'unordered-inconsistent_objects':
      expect({ status, body: sorted(body, 'inconsistent_objects') }).toEqual({
        status: step.status,
        body: sorted(wanted, 'inconsistent_objects'),
      });
      return;
    default:
      throw new Error(`unknown way to compare: ${step.match}`);
  }
}

function sorted(body: unknown, key: string): unknown {
  const list = (body as Body)[key];
  if (!Array.isArray(list)) return body;
  return {
    ...(body as Body),
    [key]: list.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
  };
}
