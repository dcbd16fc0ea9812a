import { gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { accepts } from '../accepts.ts';

/** As in Hasura: below this, packing costs more than the bytes it saves. */
const LEAST_BYTES = 700;

/** The fastest: JSON of rows shrinks to a fifth or less already, and the better levels cost several times as much. */
const LEVEL = 1;

/** Packs whatever is sent for callers on other machines that take gzip, off the event loop. */
export function registerCompression(app: FastifyInstance): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    if (!isWorthIt(payload) || isNear(request) || reply.hasHeader('content-encoding'))
      return done(null, payload);
    varyBy(reply, 'Accept-Encoding');
    if (!accepts(request.headers['accept-encoding'], 'gzip')) return done(null, payload);
    gzip(payload, { level: LEVEL }, (error, packed) => {
      if (error !== null) return done(error);
      reply.header('content-encoding', 'gzip').removeHeader('content-length');
      done(null, packed);
    });
  });
}

function isWorthIt(payload: unknown): payload is string | Buffer {
  return (typeof payload === 'string' || Buffer.isBuffer(payload)) && payload.length >= LEAST_BYTES;
}

/** What proxies add: the client of one on this machine is on another. */
const PASSED_ON = ['x-forwarded-for', 'x-forwarded-proto', 'forwarded', 'via'];

/** Bytes to a client on the same machine cost nothing, packing them as much as anywhere. */
function isNear({ socket, headers }: FastifyRequest): boolean {
  const isHere = /^(?:(?:::ffff:)?127\.|::1$)/.test(socket.remoteAddress ?? '');
  return isHere && !PASSED_ON.some((name) => name in headers);
}

function varyBy(reply: FastifyReply, header: string): void {
  const before = reply.getHeader('vary');
  reply.header('vary', before === undefined ? header : `${String(before)}, ${header}`);
}
