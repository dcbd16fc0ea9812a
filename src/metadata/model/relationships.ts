import { z } from 'zod';
import { FALLBACKS } from '../../core/fallback.ts';

/** A table, or a function, named as in Hasura: a bare string means schema public. */
export const qualifiedTable: z.ZodType<{ schema: string; name: string }, unknown> = z.union([
  z
    .string()
    .min(1)
    .transform((name) => ({ schema: 'public', name })),
  z.object({ schema: z.string().min(1).default('public'), name: z.string().min(1) }),
]);

/** nearjoin's own options of one remote relationship; absent members mean the defaults. */
const cacheOptions = z.strictObject({
  cache: z.boolean().optional(),
  max_staleness_ms: z.int().nonnegative().optional(),
  fallback: z.enum(FALLBACKS).optional(),
  on_target_down: z.enum(['error', 'stale']).optional(),
  follow: z.enum(['none', 'object', 'all']).optional(),
});
export type CacheOptions = z.infer<typeof cacheOptions>;

/** A table named as databases of other kinds name theirs: kept as it came. No table of ours is called so, so it is never found. */
const otherTable: z.ZodType<{ schema: string; name: string }, unknown> = z
  .union([z.strictObject({ dataset: z.string(), name: z.string() }), z.array(z.string()).min(1)])
  .transform((table) => table as unknown as { schema: string; name: string });

/** The right side of a database-to-database relationship. */
const toSource = z.looseObject({
  relationship_type: z.enum(['object', 'array']),
  source: z.string(),
  table: z.union([otherTable, qualifiedTable]),
  field_mapping: z.record(z.string(), z.string()),
  nearjoin: cacheOptions.optional(),
});

/** A relationship that leaves the database, as metadata writes it. */
export const remoteRelationship = z.looseObject({
  name: z.string().min(1),
  definition: z.looseObject({ to_source: toSource.optional(), to_remote_schema: z.unknown().optional() }),
});
export type RemoteRelationshipMetadata = z.infer<typeof remoteRelationship>;

/** One column or several; a list of one is written as the column itself. */
const columnNames = z
  .union([z.string(), z.array(z.string()).min(1)])
  .transform((names) => (Array.isArray(names) && names.length === 1 ? (names[0] ?? names) : names));
const foreignKey = z.union([
  columnNames,
  z
    .object({ table: qualifiedTable, column: columnNames.optional(), columns: columnNames.optional() })
    .refine(({ column, columns }) => (column === undefined) !== (columns === undefined), {
      message: "expected exactly one of 'column' or 'columns'",
      path: ['columns'],
    })
    .transform(({ table, column, columns }) => keyOf(table, column ?? columns ?? [])),
]);

function keyOf(
  table: { schema: string; name: string },
  columns: string | string[],
): { table: typeof table; column: string } | { table: typeof table; columns: string[] } {
  return typeof columns === 'string' ? { table, column: columns } : { table, columns };
}

const columnMapping = z.record(z.string(), z.string());

/** How a relationship joins that is made by hand: to a table, or to a native query. */
export const manualConfiguration = z.union([
  z.looseObject({
    remote_table: qualifiedTable,
    remote_native_query: z.undefined().optional(),
    column_mapping: columnMapping,
    source: z.string().optional(),
  }),
  z.looseObject({
    remote_native_query: z.string().min(1),
    remote_table: z.undefined().optional(),
    column_mapping: columnMapping,
  }),
]);
export type ManualConfiguration = z.infer<typeof manualConfiguration>;

/** How a local relationship joins: over a foreign key, or by hand. */
export const relationshipUsing = z.union([
  z.strictObject({ foreign_key_constraint_on: foreignKey }),
  z.strictObject({ manual_configuration: manualConfiguration }),
]);

/** A relationship inside one database, as metadata writes it. */
export const localRelationship = z.looseObject({
  name: z.string().min(1),
  using: relationshipUsing,
  comment: z.string().nullish(),
});
export type LocalRelationshipMetadata = z.infer<typeof localRelationship>;
