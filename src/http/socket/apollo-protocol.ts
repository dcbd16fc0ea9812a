import { NearjoinError } from '../../core/errors.ts';
import { graphqlErrorJson } from '../error-reply.ts';
import { closing, type Effect, sending } from './effects.ts';
import { around, errorsOf, type Protocol } from './protocol.ts';

const ALIVE = '{"type":"ka"}';

/** `graphql-ws`, the sub-protocol of Apollo's subscriptions-transport-ws, as Hasura speaks it; also what a client without a sub-protocol gets. */
export const APOLLO: Protocol = {
  name: 'graphql-ws',
  words: new Map([
    ['connection_init', 'init'],
    ['start', 'start'],
    ['stop', 'stop'],
    ['connection_terminate', 'terminate'],
  ]),
  answer: 'data',
  acknowledged: ['{"type":"connection_ack"}', ALIVE],
  alive: ALIVE,
  pong: (payload) => JSON.stringify({ type: 'pong', payload }),
  completed,
  refusedOperation: (id, error) => [errorMessage(id, errorsOf(error)), completed(id)],
  failedQuery: (id, error) => {
    const { before, after } = around(APOLLO, id);
    return [before + errorsOf(error) + after, completed(id)];
  },
  // These clients send their first operations together with connection_init.
  onMalformed: (problem) => [connectionError(`parsing ClientMessage failed: ${problem}`)],
  onRefused: (reason) => [
    connectionError(reason),
    closing(4400, `Connection initialization failed: ${reason}`),
  ],
  onEarlyStart: (id) => notStarted(id, 'start received before the connection is initialised'),
  onRepeatedId: (id) => notStarted(id, `an operation already exists with this id: ${id}`),
};

function notStarted(id: string, message: string): readonly Effect[] {
  const error = graphqlErrorJson(new NearjoinError('start-failed', message), false);
  return sending([errorMessage(id, error), completed(id)]);
}

function connectionError(payload: string): Effect {
  return { kind: 'send', text: JSON.stringify({ type: 'connection_error', payload }) };
}

function errorMessage(id: string, payload: string): string {
  return `{"type":"error","id":${JSON.stringify(id)},"payload":${payload}}`;
}

function completed(id: string): string {
  return JSON.stringify({ type: 'complete', id });
}
