import type { Catalog } from '../../catalog/catalog.ts';
import { isRecord } from '../../core/json/is-record.ts';
import { fromLegacy, isLegacy } from '../../metadata/document/legacy-document.ts';
import { parseMetadata } from '../../metadata/document/parse.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import type { Metadata } from '../../metadata/model.ts';
import { requireSource } from '../../metadata/object/edit.ts';
import { objectName, objectsOf, removeObject } from '../../metadata/object/objects.ts';
import { parseWith } from '../../metadata/parse-with.ts';
import { type ArgsOf, type CommandOf, replaceArgs } from '../command.ts';
import { changed, resolve, type State, type Step, SUCCESS, type Tools } from './state.ts';

/** Replaces the whole document; unless allowed, refuses one in which something does not hold. */
export async function replaceMetadata(
  state: State,
  command: CommandOf<'replace_metadata'>,
  tools: Tools,
): Promise<Step> {
  const { metadata, allowInconsistent } = readReplacement(command, state.metadata);
  const catalog = await resolve(metadata, tools);
  if (!allowInconsistent) refuseInconsistent(catalog);
  return { state: changed(state, metadata, catalog), answer: consistency(catalog) };
}

/** Version 1 is the bare document; the shape tells when no version was given, as stock tools rely on. */
function readReplacement(
  command: CommandOf<'replace_metadata'>,
  current: Metadata,
): {
  readonly metadata: Metadata;
  readonly allowInconsistent: boolean;
} {
  const { args } = command;
  const wrapped = isRecord(args) && 'metadata' in args;
  if (!wrapped && command.version !== 2) {
    return { metadata: readDocument(args, current, '$.args'), allowInconsistent: false };
  }
  const given = parseWith(replaceArgs, args, '$.args');
  const metadata = readDocument(given.metadata, current, '$.args.metadata');
  return { metadata, allowInconsistent: given.allow_inconsistent_metadata };
}

function readDocument(document: unknown, current: Metadata, path: string): Metadata {
  return parseMetadata(isLegacy(document) ? fromLegacy(document, current) : document, path);
}

function refuseInconsistent(catalog: Catalog): void {
  if (catalog.inconsistent.length === 0) return;
  throw new MetadataError('unexpected', 'cannot continue due to inconsistent metadata', {
    internal: catalog.inconsistent,
    status: 400,
  });
}

/** Asks the databases anew, all of them, whichever are named; the version grows so that the other nodes ask too. */
export async function reloadMetadata(
  state: State,
  { reload_sources: named }: ArgsOf<'reload_metadata'>,
  tools: Tools,
): Promise<Step> {
  if (Array.isArray(named)) for (const name of named) requireSource(state.metadata, name);
  await tools.watch.refresh();
  const catalog = await resolve(state.metadata, tools);
  const objects = catalog.inconsistent.length > 0 ? { inconsistent_objects: catalog.inconsistent } : {};
  const answer = { ...SUCCESS, is_consistent: catalog.inconsistent.length === 0, ...objects };
  return { state: changed(state, state.metadata, catalog), answer };
}

/** Drops what does not hold, until all that is left does. */
export async function dropInconsistent(state: State, tools: Tools): Promise<Step> {
  let { metadata, catalog } = state;
  for (;;) {
    const names = new Set(catalog.inconsistent.map((object) => object.name));
    const broken = objectsOf(metadata).filter((object) => names.has(objectName(object)));
    if (broken.length === 0) return { state: changed(state, metadata, catalog), answer: SUCCESS };
    metadata = broken.reduce(removeObject, metadata);
    catalog = await resolve(metadata, tools);
  }
}

/** Hasura's answer about the consistency of the whole. */
function consistency(catalog: Catalog): Record<string, unknown> {
  return { is_consistent: catalog.inconsistent.length === 0, inconsistent_objects: catalog.inconsistent };
}

/** The same with what works, but not as well as it could: relationships that can never be cached. */
export function consistencyWithWarnings(catalog: Catalog): Record<string, unknown> {
  return catalog.warnings.length === 0
    ? consistency(catalog)
    : { ...consistency(catalog), warnings: catalog.warnings };
}
