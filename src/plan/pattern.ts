import type { Pattern } from '../catalog/operators.ts';
import { NearjoinError } from '../core/errors.ts';

const MENTIONS = /\/\*[\s\S]*?\*\/|\$?"(?:[^"\\]|\\[\s\S])*"|\$[^\s?%$.[\]{}()|&!=<>@#,*:+/"-]/g;

/**
 * Refuses what would fail in some rows and not in others, whatever rows there are: else the failure would tell of rows
 * that the role may not see. Postgres itself judges regular expressions, in `src/sql/operand-checks.ts`.
 */
export function checkPattern(pattern: Pattern, text: string): void {
  if (pattern === 'like' && endsInEscape(text))
    throw new NearjoinError('bad-request', 'LIKE pattern must not end with escape character');
  if (pattern === 'jsonpath' && mentionsVariable(text))
    throw new NearjoinError('data-exception', 'a jsonpath must not name a variable: there is none');
}

function endsInEscape(text: string): boolean {
  const escapes = /\\*$/.exec(text)?.[0].length ?? 0;
  return escapes % 2 === 1;
}

/** `$name` or `$"name"`, outside of strings and comments. */
function mentionsVariable(text: string): boolean {
  return (text.match(MENTIONS) ?? []).some((found) => found.startsWith('$'));
}
