import type { Catalog } from '../../catalog/catalog.ts';
import { CONFLICTING } from '../../catalog/resolve/conflicts.ts';
import type { CatalogWatch } from '../../catalog/watch.ts';
import { NearjoinError } from '../../core/errors.ts';
import type { InconsistentObject } from '../../core/inconsistent-object.ts';
import { MetadataError, relocate } from '../../metadata/metadata-error.ts';
import type { Metadata } from '../../metadata/model.ts';
import { type ObjectRef, objectName } from '../../metadata/object/objects.ts';
import type { MetadataStore } from '../../metadata/store.ts';

/** The metadata as the commands of one request have left it so far, and how it resolves against the databases. */
export interface State {
  readonly metadata: Metadata;
  readonly catalog: Catalog;
  /** The stored version this request began with. */
  readonly resourceVersion: number;
  /** Something is to be saved when the request ends well. */
  readonly touched: boolean;
}

/** What one command did: the state after it and its answer. */
export interface Step {
  readonly state: State;
  readonly answer: unknown;
}

/** What commands work with outside of the metadata. */
export interface Tools {
  readonly store: MetadataStore;
  readonly watch: Pick<CatalogWatch, 'current' | 'tryResolve' | 'introspection' | 'refresh' | 'follow'>;
}

/** Hasura's answer of a command that has nothing else to say. */
export const SUCCESS: { readonly message: 'success' } = { message: 'success' };

/** Accepts new metadata unless something breaks that held before; `created` is what the command was about. */
export async function admit(
  state: State,
  metadata: Metadata,
  created: ObjectRef | null,
  tools: Tools,
): Promise<State> {
  const catalog = await resolve(metadata, tools);
  const broken = newlyBroken(state.catalog, catalog);
  if (broken.length > 0) throw refusal(broken, created);
  return changed(state, metadata, catalog);
}

/** The state with other metadata, to be saved. */
export function changed(state: State, metadata: Metadata, catalog: Catalog): State {
  return { ...state, metadata, catalog, touched: true };
}

/** How the metadata resolves against the databases; a refusal of the whole document is located in the command's arguments. */
export async function resolve(metadata: Metadata, tools: Tools): Promise<Catalog> {
  try {
    return await tools.watch.tryResolve(metadata);
  } catch (error) {
    if (!(error instanceof NearjoinError) || error.path !== '$') throw error;
    throw relocate(error, '$.args');
  }
}

/** What is inconsistent in `after` and was not in `before`. */
export function newlyBroken(before: Catalog, after: Catalog): readonly InconsistentObject[] {
  const known = new Set(before.inconsistent.map((object) => object.name));
  return after.inconsistent.filter((object) => !known.has(object.name));
}

/** Hasura's refusal: of the object itself when it is what fails, else of the breaking of others. */
export function refusal(broken: readonly InconsistentObject[], created: ObjectRef | null): MetadataError {
  const conflict = broken.find((object) => object.reason.includes(CONFLICTING));
  if (conflict !== undefined) {
    const message = conflict.reason.slice(conflict.reason.indexOf(CONFLICTING));
    return new MetadataError('unexpected', message);
  }
  const own = created === null ? [] : broken.filter((object) => object.name === objectName(created));
  if (own.length > 0) {
    const reasons = own.map((object) => object.reason).join(', ');
    return new MetadataError('invalid-configuration', reasons, { internal: own });
  }
  return new MetadataError('unexpected', 'cannot continue due to new inconsistent metadata', {
    internal: broken,
    status: 400,
  });
}
