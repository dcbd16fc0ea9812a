import { once } from 'node:events';
import { createServer } from 'node:net';
import { NearjoinError } from '../core/errors.ts';

const FIRST = 8080;
const TRIES = 100;

/** The port asked for if it is free, else an error; without a wish the first free one from 8080. */
export async function listenPort(wanted: number | null): Promise<number> {
  if (wanted !== null) {
    if (wanted === 0 || (await isFree(wanted))) return wanted;
    throw new NearjoinError(
      'start-failed',
      `port ${wanted} is taken: choose another with --port, or leave it out`,
    );
  }
  for (let port = FIRST; port < FIRST + TRIES; port += 1) {
    if (await isFree(port)) return port;
  }
  throw new NearjoinError(
    'start-failed',
    `no free port from ${FIRST} to ${FIRST + TRIES - 1}: choose one with --port`,
  );
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    const listening = once(server, 'listening');
    server.listen(port, '127.0.0.1');
    await listening;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE' || code === 'EACCES') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}
