import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An HTTP server on loopback, on a port of its own. */
export interface LocalHttp {
  readonly url: string;
  /** Cuts what is still connected. */
  close(): void;
}

/** Starts a server that answers every request so. */
export async function serveLocally(answer: RequestListener): Promise<LocalHttp> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
