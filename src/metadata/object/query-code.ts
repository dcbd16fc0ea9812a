/** A piece of a native query's text: SQL as it is written, or the name of the argument that stands there. */
export type CodePart = { readonly text: string } | { readonly argument: string };

/** What is said of a text whose last argument has no end. */
export const UNCLOSED = "Found '{{' without a matching closing '}}'";

/** Tried once for each run of such characters, where `[\s;]+$` would be tried for each character. */
const AT_THE_END = /(?<![\s;])[\s;]+$/;

/** Splits a native query's text at its arguments; null where one has no end. Semicolons at the end are cut off. */
export function codeParts(code: string): readonly CodePart[] | null {
  const [first = '', ...others] = code.replace(AT_THE_END, '').split('{{');
  const parts: CodePart[] = [{ text: first }];
  for (const piece of others) {
    const end = piece.indexOf('}}');
    if (end < 0) return null;
    parts.push({ argument: piece.slice(0, end) }, { text: piece.slice(end + 2) });
  }
  return parts;
}

/** A literal, name or line comment, which are skipped; the start of a block comment; or a numbered parameter. */
const PIECE =
  /[eE]'[^'\\]*(?:(?:\\[^]|'')[^'\\]*)*(?:'|$)|'[^']*(?:'|$)|"[^"]*(?:"|$)|--[^\n\r]*|\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$[^]*?(?:\$\1\$|$)|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|(?<comment>\/\*)|(?<parameter>\$\d+)/g;

/** The first parameter that a text names by its number (`$1`), literals, names and comments aside; null where there is none. */
export function numberedParameter(code: string): string | null {
  const piece = new RegExp(PIECE);
  for (let found = piece.exec(code); found !== null; found = piece.exec(code)) {
    const { comment, parameter } = found.groups ?? {};
    if (parameter !== undefined) return parameter;
    if (comment !== undefined) piece.lastIndex = afterComment(code, piece.lastIndex);
  }
  return null;
}

/** The end of a block comment; these can be nested. */
function afterComment(code: string, start: number): number {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = start;
  for (let depth = 1; depth > 0; ) {
    const found = mark.exec(code);
    if (found === null) return code.length;
    depth += found[0] === '/*' ? 1 : -1;
  }
  return mark.lastIndex;
}
