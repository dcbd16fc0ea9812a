/**
 * SQL of a text for people that a parameter of `told` gives. It may hold another server's words, in its language: where the database's
 * encoding does not hold every character, a question mark stands for those that are not of ASCII.
 */
export function toldSql(parameter: string): string {
  const escaped = `replace(encode(${parameter}::bytea, 'escape'), '\\\\', chr(1))`;
  return `case when getdatabaseencoding() in ('UTF8', 'SQL_ASCII') then convert_from(${parameter}::bytea, 'UTF8')
    else replace(regexp_replace(${escaped}, '(\\\\[0-7]{3})+', '?', 'g'), chr(1), '\\') end`;
}

/** The parameter's value: every encoding holds its bytes spelled out. */
export function told(text: string | null): string | null {
  return text === null ? null : `\\x${Buffer.from(text).toString('hex')}`;
}
