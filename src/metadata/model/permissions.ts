import { z } from 'zod';
import { isRecord } from '../../core/json/is-record.ts';

/** A boolean expression as written; its meaning needs the catalog. Zod would leave a key out: a rule without its condition lets every row through. */
const boolExp = z
  .unknown()
  .refine(
    (value) => !isRecord(value) || !Object.hasOwn(value, '__proto__'),
    'no key may be called "__proto__"',
  )
  .pipe(z.record(z.string(), z.unknown()));

/** What a role may read of a table. */
export const selectPermission = z.looseObject({
  columns: z.union([z.literal('*'), z.array(z.string())]),
  filter: boolExp,
  limit: z.int().nullish(),
  allow_aggregations: z.boolean().optional(),
  query_root_fields: z.array(z.enum(['select', 'select_by_pk', 'select_aggregate'])).nullish(),
  subscription_root_fields: z
    .array(z.enum(['select', 'select_by_pk', 'select_aggregate', 'select_stream']))
    .nullish(),
  computed_fields: z.array(z.string()).optional(),
});

/** A select permission with the role it is for. */
export const selectPermissionEntry = z.looseObject({
  role: z.string().min(1),
  permission: selectPermission,
  comment: z.string().nullish(),
});
export type SelectPermissionEntry = z.infer<typeof selectPermissionEntry>;
