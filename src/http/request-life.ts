import type { FastifyReply } from 'fastify';
import { NearjoinError } from '../core/errors.ts';
import { Stop, type StopSignal } from '../core/waiting/stop-signal.ts';

/** How long the work for one request may take: until `signal` is aborted. `end` must be called when the work is done. */
export interface RequestLife {
  readonly signal: StopSignal;
  readonly end: () => void;
}

/** Starts watching a request: its signal is aborted when the client goes away before the answer has left, or when the time is up. */
export function watchRequest(reply: FastifyReply, timeoutMs: number): RequestLife {
  const stop = new Stop();
  const { raw } = reply;
  const gone = (): void => {
    if (!raw.writableFinished) stop.abort(new NearjoinError('timed-out', 'the client went away'));
  };
  const timer = setTimeout(() => {
    stop.abort(new NearjoinError('timed-out', `the request took longer than ${timeoutMs} ms`));
  }, timeoutMs);
  raw.on('close', gone);
  return { signal: stop, end: () => clearTimeout(timer) };
}
