import { z } from 'zod';

const count = z.int().nonnegative();

/** A limit of every role but the administrator's, and those of roles that have their own. */
function limit<T extends z.ZodType>(
  of: T,
): z.ZodObject<{ global: T; per_role: z.ZodOptional<z.ZodRecord<z.ZodString, T>> }> {
  return z.object({ global: of, per_role: z.record(z.string(), of).optional() });
}

const UNIQUE = "Not a valid value. Should be either: 'IP' or a list of Hasura session variables";
const sessionVariable = z
  .string()
  .regex(/^x-hasura-/i, UNIQUE)
  .refine((name) => name.toLowerCase() !== 'x-hasura-role', UNIQUE);
const uniqueParams = z.union([z.string().regex(/^ip$/i, UNIQUE), z.array(sessionVariable)], UNIQUE);

/** What operations may ask for, and how often. */
export const apiLimits = z.looseObject({
  disabled: z.boolean().optional(),
  depth_limit: limit(count).nullish(),
  node_limit: limit(count).nullish(),
  /** In seconds. */
  time_limit: limit(z.number().nonnegative()).nullish(),
  batch_limit: limit(count).nullish(),
  rate_limit: limit(z.object({ max_reqs_per_min: count, unique_params: uniqueParams.nullish() })).nullish(),
});
export type ApiLimitsMetadata = z.infer<typeof apiLimits>;
