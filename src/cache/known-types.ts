import type { KnownTypes } from '../catalog/catalog.ts';
import { KNOWN_TYPES_SQL } from '../catalog/introspect/introspect-sql.ts';
import { type KnownTypeRow, knownTypesOf } from '../catalog/type/held-type.ts';
import { type Queryable, rowOf } from './queryable.ts';

/** Asks a source database which types it has. */
export async function knownTypes(client: Queryable): Promise<KnownTypes> {
  const { answer } = await rowOf<{ answer: readonly KnownTypeRow[] }>(client, KNOWN_TYPES_SQL);
  return knownTypesOf(answer);
}

/** Types of extensions as one text, the same for the same types: it tells whether one has come, gone or moved. */
export function extensionTypesText({ extension }: Pick<KnownTypes, 'extension'>): string {
  return [...extension.values()].sort().join();
}
