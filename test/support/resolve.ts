import type { Catalog } from '../../src/catalog/catalog.ts';
import type { Introspections } from '../../src/catalog/introspection.ts';
import { type CatalogVersion, Resolver, type ResolveSettings } from '../../src/catalog/resolve.ts';
import type { Metadata } from '../../src/metadata/model.ts';

/** A catalog that is resolved once, by a resolver of its own. */
export function resolve(
  metadata: Metadata,
  introspections: Introspections,
  version: CatalogVersion,
  settings: Partial<ResolveSettings> = {},
): Catalog {
  return new Resolver(settings).resolve(metadata, introspections, version);
}
