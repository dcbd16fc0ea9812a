import type { Pattern } from '../../catalog/conditions/operators.ts';
import { NearjoinError } from '../../core/errors.ts';
import { endOfString } from '../../core/json/json-scan.ts';

const BACKSLASH = 0x5c;
/** What a variable's name may begin with, in a jsonpath. */
const NAME = /[^\s?%$.[\]{}()|&!=<>@#,*:+/-]/;

/**
 * Refuses what would fail in some rows and not in others, whatever rows there are: else the failure would tell of rows
 * that the role may not see. Postgres itself judges regular expressions, in `src/sql/condition/operand-checks.ts`.
 */
export function checkPattern(pattern: Pattern, text: string): void {
  if (pattern === 'like' && endsInEscape(text))
    throw new NearjoinError('bad-request', 'LIKE pattern must not end with escape character');
  if (pattern === 'jsonpath' && mentionsVariable(text))
    throw new NearjoinError('data-exception', 'a jsonpath must not name a variable: there is none');
}

function endsInEscape(text: string): boolean {
  let escapes = 0;
  while (text.charCodeAt(text.length - 1 - escapes) === BACKSLASH) escapes += 1;
  return escapes % 2 === 1;
}

/** `$name` or `$"name"`, outside of strings and comments. A regular expression would begin anew at every quote. */
function mentionsVariable(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '$' && NAME.test(text.charAt(at + 1))) return true;
    if (text[at] === '"') at = endOfString(text, at) - 1;
    else if (text.startsWith('/*', at)) at = endOfComment(text, at) - 1;
  }
  return false;
}

/** Postgres itself refuses a path that has none. */
function endOfComment(text: string, start: number): number {
  const end = text.indexOf('*/', start + 2);
  return end < 0 ? text.length : end + 2;
}
