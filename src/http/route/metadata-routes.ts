import type { FastifyInstance } from 'fastify';
import { type MetadataAnswer, type MetadataContext, runMetadata } from '../../commands/run.ts';
import { NearjoinError } from '../../core/errors.ts';
import { isRecord } from '../../core/json/is-record.ts';
import { MetadataError, refusalAnswer } from '../../metadata/metadata-error.ts';
import { NumberText } from '../../plan/value/input.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { callerOf } from '../auth/caller.ts';
import { parseJsonBody } from '../operation/graphql-request.ts';
import { textOf } from '../server/arriving-body.ts';

/** What the metadata routes work with; who asks is found out for each request. */
export interface MetadataRoutes extends Omit<MetadataContext, 'session'> {
  readonly authenticator: Authenticator;
}

type RunCommand = (command: unknown, context: MetadataContext) => Promise<MetadataAnswer>;

/** Deeper than any metadata goes, and far from where the stack ends. */
const DEEPEST = 500;

/**
 * Registers `POST /v1/metadata`, Hasura's metadata API, and `POST /v1/query`, where the stock command line asks for
 * `export_metadata`.
 */
export function registerMetadataRoutes(app: FastifyInstance, routes: MetadataRoutes): void {
  const post = (path: string, run: RunCommand): void => {
    app.post(path, async (request, reply) => {
      const session = await callerOf(routes.authenticator, request);
      const { status, body } = await answerTo(textOf(request), { ...routes, session }, run);
      return reply.status(status).type('application/json; charset=utf-8').send(JSON.stringify(body));
    });
  };
  post('/v1/metadata', runMetadata);
  post('/v1/query', runExport);
}

/** Runs the command that a body holds; a body that is no JSON is answered in the metadata API's own shape. */
async function answerTo(body: string, context: MetadataContext, run: RunCommand): Promise<MetadataAnswer> {
  let command: unknown;
  try {
    command = withNumberStrings(parseJsonBody(body));
  } catch (error) {
    if (!(error instanceof NearjoinError)) throw error;
    return refusalAnswer(error);
  }
  return run(command, context);
}

/** Runs `export_metadata` and refuses everything else; callers who are not administrators are not told what would be supported. */
async function runExport(command: unknown, context: MetadataContext): Promise<MetadataAnswer> {
  if (!context.session.isAdmin || typeOf(command) === 'export_metadata') return runMetadata(command, context);
  const message = 'only "export_metadata" is supported here; use /v1/metadata or /v1/graphql';
  return refusalAnswer(new MetadataError('not-supported', message, { path: '$.type' }));
}

function typeOf(command: unknown): unknown {
  return isRecord(command) ? command['type'] : undefined;
}

/** A number too long for a double stays exact as a string, which permission rules accept too. */
function withNumberStrings(value: unknown, depth = 0): unknown {
  if (value instanceof NumberText) return value.text;
  if (typeof value !== 'object' || value === null) return value;
  if (depth > DEEPEST) {
    throw new NearjoinError('parse-failed', `the request is nested deeper than ${DEEPEST} levels`);
  }
  if (Array.isArray(value)) return value.map((item) => withNumberStrings(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, withNumberStrings(member, depth + 1)]),
  );
}
