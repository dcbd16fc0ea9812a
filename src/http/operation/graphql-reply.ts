import type { FastifyReply } from 'fastify';
import type { NearjoinError } from '../../core/errors.ts';
import type { SourceName } from '../../core/names.ts';
import type { Token } from '../../core/position/token.ts';
import type { TargetReport } from '../../read/freshness.ts';
import { graphqlErrorJson, statusOf } from '../error-reply.ts';
import type { HeldBytes } from '../held-bytes.ts';
import { answerToken, cacheStatus, nearjoinExtension } from './freshness-answer.ts';

/** How one operation ended. */
export type OperationResult =
  | { readonly kind: 'data'; readonly body: Buffer; readonly targets: readonly TargetReport[] }
  | { readonly kind: 'error'; readonly error: NearjoinError };

/** What the client wants in its answer's body. */
export interface BodyFormat {
  /** The body has `extensions.nearjoin`. */
  readonly withExtensions: boolean;
  /** Errors show their details. */
  readonly showsInternal: boolean;
}

/** How the client wants its answer over HTTP. */
export interface AnswerFormat extends BodyFormat {
  /** An error sets the HTTP status; otherwise it is always 200. */
  readonly hasStatuses: boolean;
  /** The content type is `application/graphql-response+json`. */
  readonly asGraphqlResponse: boolean;
  /** The answer's token names the histories of its positions. */
  readonly namesHistories: boolean;
}

interface Framing {
  readonly format: AnswerFormat;
  readonly unsent: HeldBytes;
  /** Positions the client asked for: the answer's token contains them too. */
  readonly tokens: ReadonlyMap<SourceName, Token>;
}

/**
 * Up to this length a body is sent as a string, which leaves together with the head; making a longer string would cost more
 * than that saves.
 */
const SHORT_BYTES = 8192;

/** Gives an answer's bytes back to whoever made them. */
interface Sent {
  /** Called when the bytes have been sent and nobody reads them any more. */
  readonly onSent: (body: Buffer) => void;
}

/** Sends one operation's answer; data goes out as the bytes Postgres made. */
export function sendSingle(
  reply: FastifyReply,
  result: OperationResult,
  framing: Framing & Sent,
): FastifyReply {
  if (result.kind === 'error') return sendError(reply, result.error, framing.format);
  setFreshnessHeaders(reply, result.targets, framing.tokens, framing.format);
  const body = bodyOf(result, framing.format);
  return sendBytes(typed(reply, framing.format), body, framing.unsent, () => framing.onSent(body));
}

const BEFORE_DATA = '{"data":'.length;

/** Sends only the value of `data`, for a REST endpoint. */
export function sendBare(
  reply: FastifyReply,
  { body, targets }: Extract<OperationResult, { kind: 'data' }>,
  framing: Pick<Framing, 'tokens' | 'unsent'> & Sent & Pick<AnswerFormat, 'namesHistories'>,
): FastifyReply {
  setFreshnessHeaders(reply, targets, framing.tokens, framing);
  reply.header('content-type', 'application/json; charset=utf-8');
  return sendBytes(reply, body.subarray(BEFORE_DATA, -1), framing.unsent, () => framing.onSent(body));
}

function sendBytes(reply: FastifyReply, body: Buffer, unsent: HeldBytes, over: () => void): FastifyReply {
  if (body.length >= SHORT_BYTES) {
    // 'finish' comes only when all of it was written; when the client goes earlier a write may still read the bytes.
    reply.raw.once('finish', over);
    return sendLong(reply, body, unsent);
  }
  const text = body.toString('utf8');
  over();
  return reply.send(text);
}

/** Sends a batch's answers as one list. */
export function sendBatch(
  reply: FastifyReply,
  results: readonly OperationResult[],
  framing: Framing,
): FastifyReply {
  const targets = results.flatMap((result) => (result.kind === 'data' ? result.targets : []));
  setFreshnessHeaders(reply, targets, framing.tokens, framing.format);
  const parts = results.flatMap((result, index) => [
    Buffer.from(index === 0 ? '[' : ','),
    bodyOf(result, framing.format),
  ]);
  const body = Buffer.concat([...parts, Buffer.from(results.length === 0 ? '[]' : ']')]);
  return sendLong(typed(reply, framing.format), body, framing.unsent);
}

function sendLong(reply: FastifyReply, body: Buffer, unsent: HeldBytes): FastifyReply {
  reply.raw.on(
    'close',
    unsent.add(body.length, () => void reply.request.raw.socket.destroy()),
  );
  return reply.send(body);
}

/** Sends an error that concerns the whole request. */
export function sendError(reply: FastifyReply, error: NearjoinError, format: AnswerFormat): FastifyReply {
  reply.code(format.hasStatuses ? statusOf(error) : 200);
  return typed(reply, format).send(errorBody(error, format));
}

function bodyOf(result: OperationResult, format: BodyFormat): Buffer {
  return result.kind === 'error' ? Buffer.from(errorBody(result.error, format)) : answerBody(result, format);
}

/** An answer's bytes, with `extensions` when the client wants them. */
export function answerBody(
  { body, targets }: { readonly body: Buffer; readonly targets: readonly TargetReport[] },
  format: Pick<BodyFormat, 'withExtensions'>,
): Buffer {
  if (!format.withExtensions) return body;
  const extensions = JSON.stringify({ nearjoin: nearjoinExtension(targets) });
  // The closing brace is cut off, and set again after the extensions.
  return Buffer.concat([body.subarray(0, -1), Buffer.from(`,"extensions":${extensions}}`)]);
}

function errorBody(error: NearjoinError, format: BodyFormat): string {
  return `{"errors":[${graphqlErrorJson(error, format.showsInternal)}]}`;
}

function setFreshnessHeaders(
  reply: FastifyReply,
  targets: readonly TargetReport[],
  tokens: Framing['tokens'],
  { namesHistories }: Pick<AnswerFormat, 'namesHistories'>,
): void {
  const status = cacheStatus(targets);
  const token = answerToken(targets, tokens, namesHistories);
  if (status !== null) reply.header('cache-status', status);
  if (token !== null) reply.header('x-nearjoin-token', token);
}

function typed(reply: FastifyReply, format: AnswerFormat): FastifyReply {
  const type = format.asGraphqlResponse ? 'application/graphql-response+json' : 'application/json';
  return reply.header('content-type', `${type}; charset=utf-8`);
}
