import type { InconsistentObject } from '../../core/inconsistent-object.ts';
import type { Metadata } from '../model.ts';

/** Parts of Hasura whose absence a user must know of: they would answer, run or protect something. */
const SECTIONS: readonly string[] = ['actions', 'remote_schemas', 'cron_triggers'];

/** Top-level parts of the document that are kept and exported, but have no effect here. */
export function unsupportedSections(metadata: Metadata): readonly string[] {
  return SECTIONS.filter((name) => {
    const value = metadata[name];
    return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
  });
}

/** Why a database of another kind than Postgres is not read. */
export function unsupportedKind(kind: string): string {
  return `sources of kind "${kind}" are not supported`;
}

/** The same, and databases of other kinds, as inconsistent objects in Hasura's shape. */
export function unsupportedObjects(metadata: Metadata): readonly InconsistentObject[] {
  const sections = unsupportedSections(metadata).map((name) => ({
    type: name,
    name,
    reason: `Inconsistent object: "${name}" is kept but has no effect on this server`,
    definition: metadata[name],
  }));
  const sources = (metadata.other_sources ?? []).map(({ name, kind }) => ({
    type: 'source',
    name: `source ${name}`,
    reason: `Inconsistent object: ${unsupportedKind(kind)}`,
    definition: name,
  }));
  return [...sections, ...sources];
}
