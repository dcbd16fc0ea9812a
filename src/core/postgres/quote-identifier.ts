import type { TableRef } from '../names.ts';

/** An identifier as SQL wants it, whatever characters it holds. */
export function quoteIdentifier(name: string): string {
  if (name.includes('\0')) throw new Error('bug: a name holds a zero byte');
  return `"${name.replaceAll('"', '""')}"`;
}

/** A table's name for SQL. */
export function quoteTable({ schema, name }: TableRef): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}
