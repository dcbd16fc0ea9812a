import type { IncomingHttpHeaders } from 'node:http';
import { headerOf } from '../headers.ts';

/** The header that names the role a request wants to act as; an empty one names none. */
export const ROLE_HEADER = 'x-hasura-role';

/** The two spellings of the admin secret's header. */
export const SECRET_HEADERS = ['x-hasura-admin-secret', 'x-hasura-access-key'] as const;

const PREFIX = 'x-hasura-';
const NOT_VARIABLES: ReadonlySet<string> = new Set([
  ...SECRET_HEADERS,
  'x-hasura-use-backend-only-permissions',
]);

/** Whether a name is one a permission rule may use. */
export function isSessionVariable(name: string): boolean {
  return name.startsWith(PREFIX) && !NOT_VARIABLES.has(name);
}

/** Session variables among (lower-case) header names; secrets are left out. */
export function variablesOf(headers: IncomingHttpHeaders): Map<string, string> {
  const variables = new Map<string, string>();
  for (const name in headers) {
    if (!isSessionVariable(name)) continue;
    const value = headerOf(headers, name);
    if (value !== undefined) variables.set(name, value);
  }
  return variables;
}
