import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** The two ends of one connection through a relay. */
export interface Ends {
  readonly client: Socket;
  readonly server: Socket;
}

/** A way to a server on which the test carries the bytes itself. */
export interface Relay extends AsyncDisposable {
  /** The url with host and port of the relay. */
  through(url: string): string;
}

/** Starts a relay on a free port in front of the address; `carry` is called for each connection. */
export async function startRelay(
  to: { readonly host: string; readonly port: number },
  carry: (ends: Ends) => void,
): Promise<Relay> {
  const sockets = new Set<Socket>();
  const relay = createServer((client) => {
    const server = connect(to);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => [client, server].forEach((one) => void one.destroy()));
    }
    carry({ client, server });
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const address = relay.address();
  if (address === null || typeof address === 'string') throw new Error('the relay does not listen');
  return {
    through: (url) => Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(address.port) }).href,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      relay.close();
      await once(relay, 'close');
    },
  };
}
