import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { NearjoinError } from '../core/errors.ts';
import { refusalAnswer } from '../metadata/metadata-error.ts';
import { type MetadataAnswer, type MetadataContext, runMetadata } from '../metadata/run.ts';
import { NumberText } from '../plan/input.ts';
import { parseJsonBody } from './graphql-request.ts';

/** Deeper than any metadata goes, and far from where the stack ends. */
const DEEPEST = 500;

/** Who asks, as far as the metadata API cares. */
export interface MetadataSession {
  readonly role: string;
  readonly isAdmin: boolean;
}

/** What the metadata routes need; the server knows who asks. */
export interface MetadataRouteContext extends Omit<MetadataContext, 'session'> {
  readonly sessionOf: (request: FastifyRequest) => MetadataSession | Promise<MetadataSession>;
}

/** Adds `POST /v1/metadata`: Hasura's metadata API. */
export function registerMetadataRoutes(app: FastifyInstance, context: MetadataRouteContext): void {
  app.post('/v1/metadata', async (request, reply) => {
    const session = await context.sessionOf(request);
    return send(reply, await answerMetadata(request.body, { ...context, session }));
  });
}

/** Answers a request whose body has not been parsed yet. */
export async function answerMetadata(body: unknown, context: MetadataContext): Promise<MetadataAnswer> {
  const read = readBody(body);
  return 'refusal' in read ? read.refusal : runMetadata(read.command, context);
}

/** The JSON of a body, or what a caller without any is told. */
export function readBody(
  body: unknown,
): { readonly command: unknown } | { readonly refusal: MetadataAnswer } {
  try {
    return { command: withNumberStrings(parseJsonBody(typeof body === 'string' ? body : '')) };
  } catch (error) {
    if (!(error instanceof NearjoinError)) throw error;
    return { refusal: refusalAnswer(error) };
  }
}

/** Sends an answer of the metadata API as it is. */
export function send(reply: FastifyReply, answer: MetadataAnswer): FastifyReply {
  return reply
    .status(answer.status)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(answer.body));
}

/** A number too long for a double stays exact as a string, which rules accept too. */
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
