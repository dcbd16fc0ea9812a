import { createHash } from 'node:crypto';
import type { SourceName, TableRef } from '../core/names.ts';
import { quoteIdentifier } from '../core/postgres/quote-identifier.ts';

const MAX_BYTES = 63;

/** A relation of schema `nearjoin`, safe to paste into SQL. */
export function inCache(relation: string): string {
  return `nearjoin.${quoteIdentifier(relation)}`;
}

/** What is staged in a session for a relation of schema `nearjoin`: a temporary table of the same name. */
export function inStage(relation: string): string {
  return `pg_temp.${quoteIdentifier(relation)}`;
}

/** The physical name of one generation of one table's copy; unique because generations are never reused. */
export function relationName(target: SourceName, table: TableRef, generation: number): string {
  return fitted(`${target}__${table.schema}__${table.name}`, `__g${generation}`);
}

/** The name of the table that gathers changes while a copy is made. */
export function overlayName(target: SourceName, table: TableRef, generation: number): string {
  return fitted(`${target}__${table.schema}__${table.name}`, `__o${generation}`);
}

/** Postgres cuts long names silently, which could make two equal; a hash of the whole keeps them apart. */
function fitted(stem: string, ending: string): string {
  if (Buffer.byteLength(stem + ending) <= MAX_BYTES) return stem + ending;
  const hash = createHash('sha256').update(stem).digest('hex').slice(0, 8);
  return `${firstBytes(stem, MAX_BYTES - Buffer.byteLength(ending) - hash.length - 1)}_${hash}${ending}`;
}

function firstBytes(text: string, count: number): string {
  let taken = '';
  let bytes = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > count) break;
    taken += character;
  }
  return taken;
}
