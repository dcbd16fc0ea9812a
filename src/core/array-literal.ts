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
