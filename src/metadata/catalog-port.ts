import type { InconsistentObject } from '../core/inconsistent-object.ts';
import type { SourceName, TableRef } from '../core/names.ts';
import type { Metadata } from './model.ts';

/** What metadata commands need to know of a catalog: what fails, and which table points to which. */
export interface ResolvedView {
  readonly resourceVersion: number;
  readonly inconsistent: readonly InconsistentObject[];
  /** What works, but not as well as it could. */
  readonly warnings: readonly unknown[];
  readonly sources: ReadonlyMap<
    SourceName,
    {
      readonly tables: ReadonlyMap<string, ResolvedTable>;
      /** Tracked functions that hold, by `tableKey`. */
      readonly functions: ReadonlyMap<string, ResolvedFunction>;
    }
  >;
}

/** What the databases say of what metadata names. */
export type Databases = Pick<ResolvedView, 'sources'>;

/** A tracked function and the table of its rows. */
export interface ResolvedFunction {
  readonly ref: TableRef;
  readonly returns: TableRef;
}

/** A tracked table that exists, with what leads from it to others. */
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
      readonly on: readonly {
        readonly left: { readonly name: string };
        readonly right: { readonly name: string };
      }[];
    }
  >;
  readonly computedFields: ReadonlyMap<
    string,
    {
      readonly name: string;
      readonly returns: { readonly kind: 'scalar' } | { readonly kind: 'table'; readonly table: TableRef };
    }
  >;
}

/** A database's own tables and how they refer to each other, tracked or not. */
export interface FoundSource {
  readonly tables: ReadonlyMap<string, FoundTable>;
}

/** A column as its database describes it. */
export interface FoundColumn {
  readonly name: string;
  readonly type: { readonly sql: string };
  readonly notNull: boolean;
  /** Computed from other columns. */
  readonly generated: boolean;
  readonly comment: string | null;
}

/** A table as its database describes it. */
export interface FoundTable {
  readonly ref: TableRef;
  readonly kind: string;
  readonly comment: string | null;
  readonly columns: readonly FoundColumn[];
  readonly keys: readonly { readonly columns: readonly string[]; readonly primary: boolean }[];
  readonly foreignKeys: readonly {
    readonly name: string;
    readonly columns: readonly string[];
    readonly references: TableRef;
    readonly referencedColumns: readonly string[];
  }[];
}

/** What commands use of the catalog. `src/catalog` satisfies it; this module must not import that one. */
export interface CatalogPort {
  current(): { readonly catalog: ResolvedView };
  /** What the catalog would be with this metadata; publishes nothing. */
  tryResolve(metadata: Metadata): Promise<ResolvedView>;
  /** What a database last said of itself; undefined for a source nobody registered. */
  introspection(source: SourceName): FoundSource | { readonly unavailable: string } | undefined;
  /** Reads the stored metadata and the databases' own catalogs again. */
  refresh(): Promise<void>;
  /** As `refresh`, but databases that say that nothing has changed are not read again. */
  follow(): Promise<void>;
}
