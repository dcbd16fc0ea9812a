import { arrayLiteral } from '../../core/postgres/array-literal.ts';
import { tooComplex } from '../budget.ts';
import { invalid } from '../problem.ts';
import { mismatch } from './encode.ts';

const KEY = /^[^.[\]]+/;
const INDEX = /^\[(\d+)\]/;
const QUOTED = /^\[(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\]/s;

/** Far more than any document is deep. */
const LONGEST = 10_000;

/** A path into JSON (`$.a.b[0]["c d"]`) as an array literal of keys, for `#>`. */
export function parseJsonPath(value: unknown, path: string): string {
  if (typeof value !== 'string') throw mismatch(path, 'a string', 'String', value);
  if (value.length > LONGEST) throw tooComplex(path, `a path of more than ${LONGEST} characters`);
  return arrayLiteral(keysOf(value, path));
}

function keysOf(text: string, path: string): readonly string[] {
  const keys: string[] = [];
  let rest = text.startsWith('$') ? text.slice(1) : text;
  while (rest.length > 0) {
    const dotted = rest.startsWith('.');
    if (dotted) rest = rest.slice(1);
    const step = KEY.exec(rest) ?? INDEX.exec(rest) ?? QUOTED.exec(rest);
    if (step === null) throw invalid(path, `parse json path error: '${rest}' is not a key or an index`);
    const [all, first, second] = step;
    keys.push(unescaped(first ?? second) ?? all);
    rest = rest.slice(all.length);
  }
  return keys;
}

/** As in Hasura a backslash only takes the meaning from what follows: `\\t` is a t. */
function unescaped(quoted: string | undefined): string | undefined {
  return quoted?.replace(/\\(.)/gs, '$1');
}
