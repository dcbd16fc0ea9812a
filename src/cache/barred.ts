import { serverAdvice } from '../core/postgres/server-advice.ts';
import { VERSIONS } from './schema-versions.ts';

/** What to do where a role may not make our schema; both names are quoted. */
export function mayNotCreate({ role, database }: Readonly<Record<'role' | 'database', string>>): string {
  return `role ${role} may not create schema "nearjoin" in database ${database}; run: grant create on database ${database} to ${role}`;
}

/** What to do where a newer program has brought our schema to a version that this one does not know. */
export function madeByNewer(version: number): string {
  return `schema "nearjoin" has version ${version}, made by a newer nearjoin; this one knows up to ${VERSIONS.length}: run that one, or drop the schema to have all copied anew`;
}

/** What keeps whoever would lead a feed from it where nothing may be written. */
export function takesNoWrites(): string {
  return `the source database takes no writes: ${serverAdvice('25006')}`;
}
