import type { SourceName, TableRef } from '../../core/names.ts';
import type { Metadata } from '../model.ts';

/** Something in the metadata that does not hold, in Hasura's shape. */
export interface InconsistentObject {
  readonly type: string;
  readonly name: string;
  readonly reason: string;
  readonly definition: unknown;
}

/** What metadata commands need to know of a catalog: what fails, and which table points to which. */
export interface ResolvedView {
  readonly resourceVersion: number;
  readonly inconsistent: readonly InconsistentObject[];
  /** What works, but not as well as it could. */
  readonly warnings: readonly unknown[];
  readonly sources: ReadonlyMap<SourceName, { readonly tables: ReadonlyMap<string, ResolvedTable> }>;
}

/** A tracked table that exists, with its relationships. */
export interface ResolvedTable {
  readonly ref: TableRef;
  readonly relationships: ReadonlyMap<
    string,
    {
      readonly name: string;
      readonly kind: 'object' | 'array';
      readonly source: SourceName;
      readonly table: TableRef;
      readonly remote: object | null;
    }
  >;
}

/** The catalog as seen from here; `src/catalog` fits it, and this module stays free of it. */
export interface CatalogPort {
  current(): { readonly catalog: ResolvedView };
  /** What the catalog would be with this metadata; publishes nothing. */
  tryResolve(metadata: Metadata): Promise<ResolvedView>;
  /** Reads the stored metadata and the databases' own catalogs again. */
  refresh(): Promise<void>;
}
