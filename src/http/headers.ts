import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';

const BEYOND_ASCII = /[\u0080-\u00ff]/;

/** One header's value as text: UTF-8, as Hasura reads it, or Latin-1 when it is no UTF-8. */
export function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headerBytesOf(headers, name);
  return value !== undefined && BEYOND_ASCII.test(value) ? decoded(value) : value;
}

/** One header's value with a character for every byte, as Node has it; the values of a repeated header are joined by commas. */
export function headerBytesOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

/** The reverse of `headerOf`: a text as Node would have it in a header, a character for every byte of its UTF-8. */
export function headerBytesFrom(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The names of a request's headers as its client wrote them; `raw` are names and values by turns, as Node has them. */
export function namesIn(raw: readonly string[]): readonly string[] {
  return raw.filter((_, index) => index % 2 === 0);
}

/** Whether a header says yes: `true`, `1` or `yes`. */
export function isYes(header: string | string[] | undefined): boolean {
  return typeof header === 'string' && /^(true|1|yes)$/i.test(header);
}

function decoded(value: string): string {
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : value;
}
