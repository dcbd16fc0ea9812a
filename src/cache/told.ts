/**
 * SQL for a text for people, passed as a parameter made by `told`. The text may quote another server, in any language: if this
 * database's encoding lacks a character, question marks stand for all that are not ASCII.
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
