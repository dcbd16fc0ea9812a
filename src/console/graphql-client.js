import { credentials, reach } from './server.js';

/**
 * A GraphQL request as GraphiQL makes it.
 * @typedef {{ query: string, operationName?: string | null, variables?: unknown }} GraphqlRequest
 */

/**
 * Sends a request; gives the answer's text and its Cache-Status.
 * @param {GraphqlRequest} request
 * @param {Record<string, string>} headers
 * @returns {Promise<{ text: string, cacheStatus: string | null }>}
 */
export async function send(request, headers) {
  const response = await reach('/v1/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...credentials(), ...headers },
    body: JSON.stringify(request),
  });
  return { text: await response.text(), cacheStatus: response.headers.get('cache-status') };
}

/**
 * Follows a subscription over a socket of its own, which closes when the iterator is returned.
 * @param {GraphqlRequest} request
 * @param {Record<string, string>} headers
 * @returns {AsyncIterableIterator<unknown, void, void>}
 */
export function follow(request, headers) {
  const { protocol, host } = location;
  const socket = new WebSocket(
    `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/v1/graphql`,
    'graphql-transport-ws',
  );
  /** @type {unknown[]} */
  const heard = [];
  let isOver = false;
  let wake = () => {};
  /** @param {{ type: string, payload?: any }} message */
  const hear = ({ type, payload }) => {
    if (type === 'ping') return say({ type: 'pong' });
    if (type === 'connection_ack') return say({ id: '1', type: 'subscribe', payload: request });
    if (type === 'next') heard.push(payload);
    if (type === 'error') heard.push({ errors: payload });
    if (type === 'error' || type === 'complete') isOver = true;
    wake();
  };
  /** @param {object} message */
  const say = (message) => socket.send(JSON.stringify(message));
  socket.addEventListener('open', () => {
    say({ type: 'connection_init', payload: { headers: { ...credentials(), ...headers } } });
  });
  socket.addEventListener('message', ({ data }) => hear(JSON.parse(String(data))));
  socket.addEventListener('close', ({ code, reason }) => {
    if (!isOver) heard.push({ errors: [{ message: `the connection was closed: ${code} ${reason}` }] });
    isOver = true;
    wake();
  });
  const answers = (async function* () {
    try {
      while (!isOver || heard.length > 0) {
        if (heard.length > 0) yield heard.shift();
        else await new Promise((resolve) => (wake = () => resolve(undefined)));
      }
    } finally {
      socket.close();
    }
  })();
  return {
    next: () => answers.next(),
    // A generator that waits hears of its end only when something wakes it, and a quiet subscription never would.
    return: () => {
      isOver = true;
      wake();
      return answers.return();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
