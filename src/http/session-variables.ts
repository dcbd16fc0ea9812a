import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';

/** The header that names the role a request wants to act as. */
export const ROLE_HEADER = 'x-hasura-role';

/** The two spellings of the admin secret's header. */
export const SECRET_HEADERS = ['x-hasura-admin-secret', 'x-hasura-access-key'] as const;

const BEYOND_ASCII = /[\u0080-\u00ff]/;
const PREFIX = 'x-hasura-';
const NOT_VARIABLES: ReadonlySet<string> = new Set([
  ...SECRET_HEADERS,
  'x-hasura-use-backend-only-permissions',
]);

/** One header's value as text: UTF-8, as Hasura reads it, or Latin-1 when it is no UTF-8. */
export function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headerBytesOf(headers, name);
  return value !== undefined && BEYOND_ASCII.test(value) ? decoded(value) : value;
}

/** One header's value with a character for every byte, as Node has it; repeated ones are joined as HTTP says. */
export function headerBytesOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

/** A text as the value of a header: a character for every byte. */
export function bytesOfHeader(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function decoded(value: string): string {
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : value;
}

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
