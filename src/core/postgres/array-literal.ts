const NEEDS_ESCAPE = /["\\]/;
const ESCAPED = /["\\]/g;

/** Values in Postgres' text form as one array literal; every element is quoted, so no value can change its shape. */
export function arrayLiteral(values: readonly (string | null)[]): string {
  let text = '{';
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index];
    if (index > 0) text += ',';
    if (value === null || value === undefined) text += 'NULL';
    else text += `"${NEEDS_ESCAPE.test(value) ? value.replace(ESCAPED, '\\$&') : value}"`;
  }
  return `${text}}`;
}

const ELEMENT = /"((?:[^"\\]|\\.)*)"|((?:[^{},"\\]|\\.)+)/gs;
const ARRAY = /^\s*(?:\[[\d:[\]+-]*\]\s*=\s*)?\{/;

/** The elements of an array literal, of all its dimensions, without the nulls; none where the text is no array. */
export function arrayElements(text: string): readonly string[] {
  const start = ARRAY.exec(text)?.[0].length;
  if (start === undefined) return [];
  return [...text.slice(start).matchAll(ELEMENT)].flatMap(([, quoted, bare]) => {
    if (quoted !== undefined) return [unescaped(quoted)];
    const plain = (bare ?? '').trim();
    return plain === '' || plain.toUpperCase() === 'NULL' ? [] : [unescaped(plain)];
  });
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, '$1');
}
