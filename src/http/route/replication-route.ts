import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { requestPause, requestResume, requestResync } from '../../cache/feed/requests.ts';
import type { Queryable } from '../../cache/queryable.ts';
import { messageOf, NearjoinError } from '../../core/errors.ts';
import type { SourceName, TableRef } from '../../core/names.ts';
import { isNoTable, sqlStateOf } from '../../core/postgres/sql-state.ts';
import { type ReplicationView, reportFeeds } from '../../ops/replication.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { requireAdmin } from '../auth/caller.ts';
import { parseJsonBody } from '../operation/graphql-request.ts';
import { textOf } from '../server/arriving-body.ts';

/** What the replication routes need of the process. */
export interface ReplicationRoutes {
  readonly authenticator: Authenticator;
  readonly view: ReplicationView;
  readonly client: (source: SourceName) => Queryable;
}

const ACTIONS = ['pause', 'resume', 'resync'] as const;
type Action = (typeof ACTIONS)[number];

/** A table in a body: its name in schema public, or schema and name. */
export const tableBody = z.union([
  z.string().min(1),
  z.strictObject({ schema: z.string().min(1).default('public'), name: z.string().min(1) }),
]);
const resyncBody = z.strictObject({ tables: z.array(tableBody).min(1).optional() });

/** Registers `GET /v1/replication` and the requests to feeds below it; all for administrators. */
export function registerReplicationRoutes(app: FastifyInstance, routes: ReplicationRoutes): void {
  app.get('/v1/replication', async (request) => {
    await requireAdmin(routes.authenticator, request);
    return { feeds: await reportFeeds(routes.view) };
  });
  for (const action of ACTIONS) {
    app.post<{ Params: { target: string }; Querystring: { source?: string } }>(
      `/v1/replication/:target/${action}`,
      async (request) => {
        await requireAdmin(routes.authenticator, request);
        await act(routes, action, {
          target: request.params.target,
          source: request.query.source,
          tables: tablesOf(request),
        });
        return { message: 'success' };
      },
    );
  }
}

interface FeedRequest {
  readonly target: SourceName;
  readonly source: string | undefined;
  readonly tables: readonly TableRef[] | undefined;
}

async function act(routes: ReplicationRoutes, action: Action, asked: FeedRequest): Promise<void> {
  const holders = await holdersOf(routes, asked);
  const done = await Promise.all(holders.map((source) => ask(routes.client(source), action, asked)));
  if (!done.includes(true)) throw notHeld(asked);
}

/**
 * A target may feed several sources: a request goes to all of them, or to the one named. An unreachable source counts
 * when metadata says it should have a feed.
 */
export async function holdersOf(
  routes: Pick<ReplicationRoutes, 'view'>,
  { source: only, target }: Pick<FeedRequest, 'source' | 'target'>,
): Promise<readonly SourceName[]> {
  const sources = routes.view.sources().filter((source) => only === undefined || only === source);
  if (only !== undefined && sources.length === 0) throw notFound(`source with name "${only}" does not exist`);
  const feeds = await reportFeeds(routes.view);
  const holders = sources.filter((source) =>
    feeds.some((feed) => feed.source === source && feed.target === target),
  );
  if (holders.length === 0) throw notFound(`no feed from target "${target}" exists`);
  return holders;
}

async function ask(client: Queryable, action: Action, asked: FeedRequest): Promise<boolean> {
  try {
    switch (action) {
      case 'pause':
        return await requestPause(client, asked.target);
      case 'resume':
        return await requestResume(client, asked.target);
      case 'resync':
        return await requestResync(client, asked.target, asked.tables);
    }
  } catch (error) {
    throw notTaken(error);
  }
}

const NOT_SET_UP = 'no replicator has set up this feed yet';

/** The source database did not answer a request that is a row in it, or has no place for it yet. */
export function notTaken(error: unknown): NearjoinError {
  if (isNoTable(sqlStateOf(error))) return notFound(NOT_SET_UP);
  const message = `the source database did not take the request: ${messageOf(error)}`;
  return new NearjoinError('source-unavailable', message, { cause: error });
}

function tablesOf(request: FastifyRequest): readonly TableRef[] | undefined {
  const text = textOf(request);
  if (text.trim() === '') return undefined;
  const parsed = resyncBody.safeParse(parseJsonBody(text));
  if (!parsed.success)
    throw new NearjoinError('parse-failed', 'expected {"tables": [{"schema": "…", "name": "…"}]}');
  return parsed.data.tables?.map(tableOf);
}

/** The table a body means. */
export function tableOf(item: z.infer<typeof tableBody>): TableRef {
  return typeof item === 'string' ? { schema: 'public', name: item } : item;
}

/** A request that no feed took: for tables that are not in the cache, or for a feed that is not made yet. */
export function notHeld({ target, tables }: Pick<FeedRequest, 'target' | 'tables'>): NearjoinError {
  if (tables === undefined) return notFound(NOT_SET_UP);
  const asked = tables.map((table) => JSON.stringify(table)).join(', ');
  return notFound(`target "${target}" has no such table in its cache: ${asked}`);
}

function notFound(message: string): NearjoinError {
  return new NearjoinError('not-found', message);
}
