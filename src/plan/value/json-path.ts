import { arrayLiteral } from '../../core/postgres/array-literal.ts';
import { tooComplex } from '../budget.ts';
import { invalid } from '../problem.ts';
import { stringOf } from './built-in.ts';
import { withoutNul } from './scalar-text.ts';

/** A name, an index, or what is in quotes. */
const STEP = /^\.?(?:([\p{L}_][\p{L}0-9_-]*)|\[(\d+)\]|\[(["'])((?:(?!\3)[^\\]|\\.)*)\3\])/su;

const LEADING_ZEROS = /^0+(?=\d)/;

/** What is written differently inside single quotes, and how it is written inside double ones. */
const IN_DOUBLE_QUOTES: Readonly<Record<string, string>> = { "\\'": "'", '"': '\\"' };

/** Far more than any document is deep. */
const LONGEST = 10_000;

/** A path into JSON (`$.a.b[0]["c d"]`) as an array literal of keys, for `#>`; `args` is where the field's arguments are. */
export function parseJsonPath(value: unknown, args: string): string {
  const path = `${args}.path`;
  const text = stringOf(value, path);
  if (text.length > LONGEST) throw tooComplex(path, `a path of more than ${LONGEST} characters`);
  const keys = text === '$' ? [] : keysOf(text);
  if (keys === null) throw malformed(text, args);
  return withoutNul(arrayLiteral(keys), path);
}

function malformed(text: string, args: string): Error {
  return invalid(
    args,
    `parse json path error: ${text}. Accept letters, digits, underscore (_) or hyphen (-) only. Use quotes enclosed in bracket (["..."]) if there is any special character`,
  );
}

/** Null where the text is no path; a path has a key at least. */
function keysOf(text: string): readonly string[] | null {
  const keys: string[] = [];
  let rest = text.startsWith('$') ? text.slice(1) : text;
  do {
    const [all, name, index, quote, quoted = ''] = STEP.exec(rest) ?? [''];
    const key =
      name ?? index?.replace(LEADING_ZEROS, '') ?? (quote === undefined ? null : unquoted(quoted, quote));
    if (key === null) return null;
    keys.push(key);
    rest = rest.slice(all.length);
  } while (rest.length > 0);
  return keys;
}

/** Between either quotes stands what could stand in a JSON string. */
function unquoted(text: string, quote: string): string | null {
  const inner = quote === '"' ? text : text.replace(/\\.|"/gs, (found) => IN_DOUBLE_QUOTES[found] ?? found);
  try {
    return String(JSON.parse(`"${inner}"`));
  } catch {
    return null;
  }
}
