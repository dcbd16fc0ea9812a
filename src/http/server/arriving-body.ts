import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { NearjoinError } from '../../core/errors.ts';
import { RefusedError } from '../error-reply.ts';
import type { HeldBytes } from '../held-bytes.ts';

/** What a piece of a body takes beside its bytes: one sent byte by byte holds a hundred times its length. */
const PIECE_BYTES = 256;

/** A body that was not read to its end. */
export class UnreadBody extends RefusedError {}

/** Bounds of bodies. */
export interface BodyBounds {
  readonly bodyLimitBytes: number;
  /** What clients have sent that nobody has looked at yet. */
  readonly arriving: HeldBytes;
}

/** A request's body, which arrives as text; empty where there is none. */
export function textOf({ body }: { readonly body: unknown }): string {
  return typeof body === 'string' ? body : '';
}

/** Calls back, once, with the whole text of a request's body, or with why there is none. */
export function readBody(
  message: IncomingMessage,
  { bodyLimitBytes, arriving }: BodyBounds,
  done: (error: Error | null, body?: string) => void,
): void {
  if (Number(message.headers['content-length']) > bodyLimitBytes) return done(tooLarge());
  const pieces: Buffer[] = [];
  let length = 0;
  const stop = (): void => {
    held.end();
    message.off('data', take).off('end', end).off('error', abort);
  };
  const fail = (error: Error): void => {
    stop();
    done(error);
  };
  const held = arriving.hold(() => fail(tooMuch()));
  const take = (piece: Buffer): void => {
    length += piece.length;
    if (length > bodyLimitBytes) return fail(tooLarge());
    pieces.push(piece);
    held.grow(piece.length + PIECE_BYTES);
  };
  const end = (): void => {
    stop();
    const body = Buffer.concat(pieces, length);
    // Decoded as it stands, every malformed byte would become U+FFFD: another text than the one sent.
    if (isUtf8(body)) done(null, body.toString('utf8'));
    else done(new NearjoinError('invalid-json', 'the body is not valid UTF-8'));
  };
  const abort = (error: Error): void => fail(gone(error));
  message.on('data', take).on('end', end).on('error', abort);
}

function tooLarge(): UnreadBody {
  return new UnreadBody(413, 'bad-request', 'Request body is too large');
}

function tooMuch(): UnreadBody {
  const message = 'the body took too long to arrive while others send too much at the same time; try again';
  return new UnreadBody(503, 'timed-out', message);
}

function gone(cause: Error): UnreadBody {
  return new UnreadBody(400, 'bad-request', 'the client went away', { cause });
}
