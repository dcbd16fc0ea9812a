import type { JsonObject } from '../../core/json/json-text.ts';

/** What a role may read of a table. */
export interface SelectPermission {
  /** Postgres column names. */
  readonly columns: ReadonlySet<string>;
  /** Computed fields that are values; those that are rows follow the permissions of their table. */
  readonly computedFields: ReadonlySet<string>;
  /** The row rule as written in metadata; checked when the catalog was resolved. */
  readonly filter: JsonObject;
  readonly limit: number | null;
  readonly allowAggregations: boolean;
  /** Null means all of them. */
  readonly queryRootFields: ReadonlySet<'select' | 'select_by_pk' | 'select_aggregate'> | null;
  /** The same for subscriptions. */
  readonly subscriptionRootFields: ReadonlySet<
    'select' | 'select_by_pk' | 'select_aggregate' | 'select_stream'
  > | null;
}
