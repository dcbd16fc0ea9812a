import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../../ops/log.ts';
import { hasuraErrorBody, RefusedError } from '../error-reply.ts';

/** Answers, in the shape of all errors, what Node could not read as a request or waited for too long, and ends the connection. */
export function answerUnparsed(log: Log, error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const refusal = refusalOf(error.code);
  log.info(
    { type: 'http-log', status: refusal.status, reason: error.code, ip: socket.remoteAddress },
    'no request',
  );
  if (socket.writable) socket.write(responseText(refusal));
  socket.destroy();
}

function refusalOf(code: string | undefined): RefusedError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new RefusedError(431, 'bad-request', 'the URL and the headers are too large');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new RefusedError(408, 'timed-out', 'the request took too long to arrive');
    default:
      return new RefusedError(400, 'bad-request', 'not a valid HTTP request');
  }
}

function responseText(refusal: RefusedError): string {
  const body = JSON.stringify(hasuraErrorBody(refusal, false));
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}
