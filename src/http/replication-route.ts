import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { requestPause, requestResume, requestResync } from '../cache/control.ts';
import type { StatusClient } from '../cache/status.ts';
import { messageOf, NearjoinError } from '../core/errors.ts';
import type { SourceName, TableRef } from '../core/names.ts';
import { type ReplicationView, reportFeeds } from '../ops/replication.ts';
import { requireAdmin } from './admin.ts';
import type { Authenticator } from './authenticator.ts';
import { parseJsonBody } from './graphql-request.ts';

/** What the replication routes need of the process. */
export interface ReplicationRoutes {
  readonly authenticator: Authenticator;
  readonly view: ReplicationView;
  readonly client: (source: SourceName) => StatusClient;
}

const ACTIONS = ['pause', 'resume', 'resync', 'verify'] as const;
type Action = (typeof ACTIONS)[number];

const table = z.union([
  z.string().min(1),
  z.strictObject({ schema: z.string().min(1).default('public'), name: z.string().min(1) }),
]);
const resyncBody = z.strictObject({ tables: z.array(table).min(1).optional() });

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

/** A target may feed several sources: the request goes to all of them, or to the one named. */
async function act(routes: ReplicationRoutes, action: Action, asked: FeedRequest): Promise<void> {
  const sources = routes.view
    .sources()
    .filter((source) => asked.source === undefined || asked.source === source);
  if (asked.source !== undefined && sources.length === 0)
    throw notFound(`source with name "${asked.source}" does not exist`);
  const holders = await holdersOf(routes, sources, asked.target);
  if (action === 'verify')
    throw new NearjoinError('not-supported', 'verify is not available in this version');
  const done = await Promise.all(holders.map((source) => ask(routes.client(source), action, asked)));
  if (!done.includes(true)) throw notFound(`target "${asked.target}" has no such table in its cache`);
}

/** Sources with a feed from the target; an unreachable source counts when metadata says it should have one. */
async function holdersOf(
  routes: ReplicationRoutes,
  sources: readonly SourceName[],
  target: SourceName,
): Promise<readonly SourceName[]> {
  const feeds = await reportFeeds(routes.view);
  const holders = sources.filter((source) =>
    feeds.some((feed) => feed.source === source && feed.target === target),
  );
  if (holders.length === 0) throw notFound(`no feed from target "${target}" exists`);
  return holders;
}

async function ask(
  client: StatusClient,
  action: Exclude<Action, 'verify'>,
  asked: FeedRequest,
): Promise<boolean> {
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
    throw new NearjoinError(
      'source-unavailable',
      `the source database did not take the request: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

function tablesOf(request: FastifyRequest): readonly TableRef[] | undefined {
  if (typeof request.body !== 'string' || request.body.trim() === '') return undefined;
  const parsed = resyncBody.safeParse(parseJsonBody(request.body));
  if (!parsed.success)
    throw new NearjoinError('parse-failed', 'expected {"tables": [{"schema": "…", "name": "…"}]}');
  return parsed.data.tables?.map((item) =>
    typeof item === 'string' ? { schema: 'public', name: item } : item,
  );
}

function notFound(message: string): NearjoinError {
  return new NearjoinError('not-found', message);
}
