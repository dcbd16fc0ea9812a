import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { NearjoinHere } from '../support/nearjoin-here.ts';

/** More than Node lets wait where it is not told otherwise. */
const CLIENTS = 700;

/** How many the kernel lets wait at most. */
function kernelsBound(): number {
  if (process.platform !== 'linux') return 0;
  return Number(readFileSync('/proc/sys/net/core/somaxconn', 'latin1'));
}

test.skipIf(kernelsBound() < CLIENTS)(
  'of clients that all come at once none has to come again: each is answered before one that comes later',
  async () => {
    const server = await NearjoinHere.start({ NEARJOIN_ROLES: 'api' });
    onTestFinished(() => server.stop());
    let answered = 0;
    const ask = (): { readonly client: Socket; readonly answer: Promise<unknown> } => {
      const client = connect(Number(new URL(server.url).port), '127.0.0.1');
      client.write('GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n');
      const answer = once(client, 'data').then(() => (answered += 1));
      return { client, answer };
    };
    // This process is the server too: all of them wait until it has its turn.
    const first = Array.from({ length: CLIENTS }, ask);
    onTestFinished(() => {
      for (const { client } of first) client.destroy();
    });
    await Promise.any(first.map(({ answer }) => answer));
    const late = ask();
    await late.answer;
    late.client.destroy();
    expect(answered).toBe(CLIENTS + 1);
  },
);
