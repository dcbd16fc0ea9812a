import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { keptIn } from '../../core/kept-in.ts';

/** Requests of one connection that wait for an answer to the one before them: nobody who means well sends so many. */
const MOST_WAITING = 100;

/** The requests of a connection. */
interface Line {
  /** Null while all are answered. */
  answering: IncomingMessage | null;
  readonly waiting: { readonly request: IncomingMessage; readonly go: () => void }[];
}

/**
 * Begins a request of a connection when the one before it is answered: answers go out in that order anyway, and of a client
 * that sends thousands without waiting (pipelining) each would be begun before anybody else's is read.
 */
export function answerInTurn(app: FastifyInstance): void {
  const lines = new WeakMap<Socket, Line>();
  app.addHook('onRequest', ({ raw: request }, _reply, done) => {
    const line = keptIn(lines, request.socket, () => ({ answering: null, waiting: [] }));
    if (line.answering === null) {
      line.answering = request;
      done();
    } else if (line.waiting.length < MOST_WAITING) line.waiting.push({ request, go: done });
    else request.socket.destroy();
  });
  app.addHook('onResponse', ({ raw: request }, _reply, done) => {
    const line = lines.get(request.socket);
    // What is refused before it comes to any route has waited for nobody.
    if (line?.answering === request) pass(line);
    done();
  });
}

function pass(line: Line): void {
  const next = line.waiting.shift();
  line.answering = next?.request ?? null;
  if (next !== undefined) setImmediate(next.go);
}
