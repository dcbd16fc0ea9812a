/** A piece of a native query's text: SQL as it is written, or the name of the argument that stands there. */
export type CodePart = { readonly text: string } | { readonly argument: string };

/** What is said of a text whose last argument has no end. */
export const UNCLOSED = "Found '{{' without a matching closing '}}'";

/** Takes a native query's text apart; null where an argument has no end. What would end the statement is cut off. */
export function codeParts(code: string): readonly CodePart[] | null {
  const [first = '', ...others] = code.replace(/[\s;]+$/, '').split('{{');
  const parts: CodePart[] = [{ text: first }];
  for (const piece of others) {
    const end = piece.indexOf('}}');
    if (end < 0) return null;
    parts.push({ argument: piece.slice(0, end) }, { text: piece.slice(end + 2) });
  }
  return parts;
}
