import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { NearjoinError } from '../../core/errors.ts';
import { graphqlErrorJson, RefusedError, statusOf } from '../error-reply.ts';
import { GRAPHQL_PATH, OLD_GRAPHQL_PATH } from '../route/graphql-route.ts';
import { allows, type CorsPolicy, isSameOrigin } from '../server/cors.ts';

/** Whether a request that wants another protocol wants this one. */
export function wantsWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/** Why a socket may not be opened; null when it may. */
export function refusalOf(
  { url, headers }: Pick<IncomingMessage, 'url' | 'headers'>,
  cors: CorsPolicy,
): NearjoinError | null {
  const [path] = (url ?? '').split('?', 1);
  if (path !== GRAPHQL_PATH && path !== OLD_GRAPHQL_PATH) {
    const message = `only '${GRAPHQL_PATH}' and '${OLD_GRAPHQL_PATH}' are supported on websockets`;
    return new NearjoinError('not-found', message);
  }
  const { origin, host } = headers;
  // A browser opens sockets for any page, cookies included, and asks nobody: this is where other pages are kept out.
  if (origin === undefined || allows(cors, origin) || isSameOrigin(host, origin)) return null;
  const message = 'received origin header does not match configured CORS domains';
  return new RefusedError(400, 'access-denied', message);
}

/** Answers a handshake with an error instead. */
export function refuse(socket: Duplex, error: NearjoinError, more: readonly string[] = []): void {
  const body = `{"errors":[${graphqlErrorJson(error, false)}]}`;
  const head = [
    `HTTP/1.1 ${statusOf(error)} Refused`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    ...more,
  ];
  socket.on('error', () => undefined);
  // Nobody else watches it any more: left half open it would stay for as long as its client likes.
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

const HOP = new Set(['upgrade', 'connection', 'http2-settings']);

/**
 * Some HTTP clients offer another protocol with every request (`Upgrade: h2c`) and expect an ordinary answer when it is not
 * taken. Node sees an upgrade whatever it is for: such a request is put back without the offer and read again.
 */
export function answerPlainly(
  server: Server,
  { method, url, httpVersion, rawHeaders }: IncomingMessage,
  { socket, head }: { readonly socket: Duplex; readonly head: Buffer },
): void {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (!HOP.has(name.toLowerCase())) lines.push(`${name}: ${rawHeaders[at + 1] ?? ''}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}
