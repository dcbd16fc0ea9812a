import { z } from 'zod';
import { askServer, notNearjoin, type Server } from './server.ts';

const feed = z.object({
  target: z.string(),
  source: z.string(),
  state: z.string(),
  reason: z.string().nullable(),
  staleness_ms: z.number().nullable(),
  lag_bytes: z.number().nullable(),
  retained_wal_bytes: z.number().nullable(),
  changes_applied: z.number(),
  last_error: z.string().nullable(),
  tables: z
    .array(
      z.object({
        schema: z.string(),
        name: z.string(),
        state: z.string(),
        rows_copied: z.number(),
        rows_estimated: z.number().nullable(),
        reason: z.string().optional(),
      }),
    )
    .readonly(),
});

const keys = z.array(z.array(z.string()));
const verification = z.object({
  id: z.string(),
  source: z.string(),
  target: z.string(),
  state: z.string(),
  reason: z.string().nullable(),
  repair: z.boolean(),
  tables: z.array(
    z.object({
      schema: z.string(),
      name: z.string(),
      state: z.string(),
      reason: z.string().nullable(),
      rows_compared: z.number(),
      rows_estimated: z.number().nullable(),
      insert: z.number(),
      update: z.number(),
      delete: z.number(),
      repaired: z.number(),
      unsettled: z.number(),
      keys: z.object({ insert: keys, update: keys, delete: keys }),
    }),
  ),
});

/** One feed, with the members that are shown. */
export type Feed = Readonly<z.infer<typeof feed>>;

/** One comparison of a cache with its target. */
export type Verification = Readonly<z.infer<typeof verification>>;

/** Every feed of a running server. */
export async function readFeeds(server: Server): Promise<readonly Feed[]> {
  const answer = z.object({ feeds: z.array(feed) }).safeParse(await askServer(server, '/v1/replication'));
  if (answer.success) return answer.data.feeds;
  throw notNearjoin(server);
}

/** Starts the comparison that the body asks for, or looks up the one with the id. */
export async function askVerifications(
  server: Server,
  { source, target }: Pick<Feed, 'source' | 'target'>,
  asked: { readonly id: string } | { readonly body: object },
): Promise<readonly Verification[]> {
  const path = `/v1/replication/${encodeURIComponent(target)}/verify?source=${encodeURIComponent(source)}`;
  const found =
    'id' in asked
      ? await askServer(server, `${path}&id=${asked.id}`)
      : await askServer(server, path, asked.body);
  const answer = z.object({ verifications: z.array(verification) }).safeParse(found);
  if (answer.success) return answer.data.verifications;
  throw notNearjoin(server);
}
