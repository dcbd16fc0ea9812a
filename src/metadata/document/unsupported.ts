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

/** The same as inconsistent objects in Hasura's shape. */
export function unsupportedObjects(metadata: Metadata): readonly InconsistentObject[] {
  return unsupportedSections(metadata).map((name) => ({
    type: name,
    name,
    reason: `Inconsistent object: "${name}" is kept but has no effect on this server`,
    definition: metadata[name],
  }));
}
