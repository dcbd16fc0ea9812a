import { closing } from './effects.ts';
import type { Protocol } from './protocol.ts';

/** `graphql-transport-ws`, by its specification; close codes and texts are the specification's too. */
export const TRANSPORT: Protocol = {
  name: 'graphql-transport-ws',
  words: new Map([
    ['connection_init', 'init'],
    ['subscribe', 'start'],
    ['complete', 'stop'],
    ['ping', 'ping'],
    ['pong', 'pong'],
  ]),
  answer: 'next',
  acknowledged: ['{"type":"connection_ack"}'],
  alive: '{"type":"ping","payload":{"message":"keepalive"}}',
  pong: (payload) => JSON.stringify({ type: 'pong', payload }),
  completed: (id) => JSON.stringify({ type: 'complete', id }),
  refusedOperation: (id, error) => [`{"type":"error","id":${JSON.stringify(id)},"payload":[${error}]}`],
  failedQuery: (id, error) => [`{"type":"error","id":${JSON.stringify(id)},"payload":[${error}]}`],
  onMalformed: (problem) => [closing(4400, `Parsing client message failed: ${problem}`)],
  onRefused: () => [closing(4403, 'Forbidden')],
  onEarlyStart: () => [closing(4401, 'Unauthorized')],
  onRepeatedId: (id) => [closing(4409, `Subscriber for ${id} already exists`)],
};
