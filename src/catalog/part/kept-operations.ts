import type { RoleName } from '../../core/names.ts';
import type { QueryCollection } from '../../metadata/model/query-collections.ts';
import type { Endpoint } from './endpoints.ts';

/** Operations that metadata keeps on the server; their texts do parse. */
export interface KeptOperations {
  readonly collections: readonly QueryCollection[];
  readonly endpoints: readonly Endpoint[];
  /** Documents that may be run where only listed ones may; of every role where `roles` is null. */
  readonly allowed: readonly { readonly query: string; readonly roles: readonly RoleName[] | null }[];
}
