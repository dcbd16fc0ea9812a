import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { NearjoinError } from '../../../../src/core/errors.ts';
import { Notifier } from '../../../../src/core/waiting/notifier.ts';
import type { Session } from '../../../../src/http/auth/session.ts';
import { sessionOf } from '../../../../src/http/auth/session.ts';
import { type SocketOptions, Sockets } from '../../../../src/http/socket/sockets.ts';
import { AT_START } from '../../../../src/subscribe/live-query.ts';
import { poll } from '../../../support/poll.ts';
import { Wire } from '../../../support/wire.ts';

/** So many operations that doing them all at once is told from doing one a turn. */
const MANY = 20;

let turn: number;
let counting: NodeJS.Immediate;
/** In which turn each operation was prepared. */
let turns: number[];
let endings: (() => unknown)[];

beforeEach(() => {
  turn = 0;
  turns = [];
  endings = [];
  counting = setImmediate(function count() {
    turn += 1;
    counting = setImmediate(count);
  });
});

afterEach(async () => {
  clearImmediate(counting);
  for (const end of endings.toReversed()) await end();
});

const LIMITS = {
  initMs: 60_000,
  operations: 100,
  requestMs: 60_000,
  pendingBytes: 100_000,
  silentMs: 60_000,
};

/** A client of sockets that refuse every operation, unless `more` says otherwise. */
async function opened(
  more: object = {},
): Promise<{ client: WebSocket; raw: Socket; sockets: Sockets; another: () => Promise<void> }> {
  const server = createServer();
  const sockets = new Sockets({
    authenticator: { authenticate: () => sessionOf('user', new Map()) },
    runner: {
      prepare: () => {
        turns.push(turn);
        throw new NearjoinError('validation-failed', 'nothing is asked here');
      },
    },
    cors: { kind: 'any' },
    log: { info: () => undefined },
    showsInternal: () => false,
    limits: LIMITS,
    unsent: { add: () => () => undefined },
    arriving: { hold: () => ({ grow: () => undefined, end: () => undefined }) },
    keepAliveMs: 60_000,
    maxMessageBytes: 1_000_000,
    catalogs: async function* () {},
    ...more,
  } as unknown as SocketOptions);
  server.on('upgrade', (request, socket, head) => sockets.open(request, socket, head));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/v1/graphql`;
  const client = new WebSocket(url, 'graphql-transport-ws');
  const raw = new Promise<Socket>((resolve) => client.once('upgrade', ({ socket }) => resolve(socket)));
  endings.push(
    () => server.close(),
    () => sockets.close(),
    () => client.terminate(),
  );
  await once(client, 'open');
  const another = async (): Promise<void> => {
    const other = new WebSocket(url, 'graphql-transport-ws');
    endings.push(() => other.terminate());
    await once(other, 'open');
  };
  return { client, raw: await raw, sockets, another };
}

function subscribeMany(client: WebSocket): void {
  for (let id = 0; id < MANY; id += 1)
    client.send(`{"id":"${id}","type":"subscribe","payload":{"query":"{ a }"}}`);
}

test('of many messages that arrive together each has a turn of its own, with those of others between', async () => {
  const { client, raw } = await opened();
  client.send('{"type":"connection_init"}');
  await once(client, 'message');
  raw.cork();
  subscribeMany(client);
  raw.uncork();
  await poll('all are answered', () => turns.length === MANY);
  expect(new Set(turns).size).toBe(MANY);
});

test('operations that waited until their client was admitted have turns of their own', async () => {
  let admit: (session: Session) => void = () => undefined;
  const session = new Promise<Session>((resolve) => {
    admit = resolve;
  });
  const { client } = await opened({ authenticator: { authenticate: () => session } });
  client.send('{"type":"connection_init"}');
  subscribeMany(client);
  client.send('{"type":"ping"}');
  await once(client, 'message');
  admit(sessionOf('user', new Map()));
  await poll('all are answered', () => turns.length === MANY);
  expect(new Set(turns).size).toBe(MANY);
});

test('what came while the first of a client’s operations was planned is read before the second', async () => {
  const wire = await Wire.open();
  endings.push(() => wire.close());
  const events: string[] = [];
  let admit: (session: Session) => void = () => undefined;
  const session = new Promise<Session>((resolve) => {
    admit = resolve;
  });
  const { client } = await opened({
    authenticator: { authenticate: () => session },
    runner: {
      prepare: () => {
        events.push('one');
        throw new NearjoinError('validation-failed', 'nothing is asked here');
      },
    },
  });
  client.send('{"type":"connection_init"}');
  for (const id of [1, 2]) client.send(`{"id":"${id}","type":"subscribe","payload":{"query":"{ a }"}}`);
  client.send('{"type":"ping"}');
  await once(client, 'message');
  const { next } = await wire.arrival();
  const other = next.then(() => events.push('other'));
  admit(sessionOf('user', new Map()));
  await other;
  await poll('both are planned', () => events.length === 3);
  expect(events).toEqual(['one', 'other', 'one']);
});

test('an operation that is stopped before its turn is never begun', async () => {
  let admit: (session: Session) => void = () => undefined;
  const session = new Promise<Session>((resolve) => {
    admit = resolve;
  });
  let close: () => void = () => undefined;
  const { client, sockets } = await opened({
    authenticator: { authenticate: () => session },
    runner: {
      prepare: () => {
        turns.push(turn);
        queueMicrotask(() => close());
        throw new NearjoinError('validation-failed', 'nothing is asked here');
      },
    },
  });
  close = () => void sockets.close();
  client.send('{"type":"connection_init"}');
  subscribeMany(client);
  client.send('{"type":"ping"}');
  await once(client, 'message');
  admit(sessionOf('user', new Map()));
  await once(client, 'close');
  const seen = turn;
  await poll('turns have passed', () => turn > seen + 2 * MANY);
  expect(turns).toHaveLength(1);
});

test('subscriptions are planned anew for another schema in turns of their own, and none is read until then', async () => {
  const changes = new Notifier();
  let reading = 0;
  const readingThen: number[] = [];
  const { client } = await opened({
    runner: {
      prepare: () => {
        turns.push(turn);
        readingThen.push(reading);
        // Another change, while those of the first are planned.
        if (turns.length === MANY + 5) changes.notify();
        return { isSubscription: true, read: {} };
      },
    },
    live: {
      subscribe: () => {
        reading += 1;
        return { leave: () => ((reading -= 1), AT_START), catchUp: () => undefined };
      },
    },
    catalogs: async function* (signal: AbortSignal) {
      yield { catalog: { resourceVersion: 1 } };
      for (;;) {
        await changes.wait(signal);
        if (signal.aborted) return;
        yield { catalog: { resourceVersion: 1 } };
      }
    },
  });
  client.send('{"type":"connection_init"}');
  await once(client, 'message');
  subscribeMany(client);
  await poll('all are planned', () => turns.length === MANY);
  changes.notify();
  await poll('all are planned anew', () => turns.length === 2 * MANY + 5);
  expect(new Set(turns.slice(MANY)).size).toBe(MANY + 5);
  expect(readingThen.slice(MANY)).toEqual([0, 1, 2, 3, 4, ...Array.from({ length: MANY }, (_, at) => at)]);
});

/** As much as hundreds of sockets ask for. */
function work(): void {
  turns.push(turn);
  const untilMs = performance.now() + 15;
  while (performance.now() < untilMs);
}

test('sockets that take long to close together leave turns to others', async () => {
  const changes = new Notifier();
  const { sockets, another } = await opened({
    closesOnMetadataChange: true,
    log: { info: ({ event }: { event: string }) => event === 'closed' && work() },
    catalogs: async function* (signal: AbortSignal) {
      yield { catalog: { resourceVersion: 1 } };
      await changes.wait(signal);
      yield { catalog: { resourceVersion: 2 } };
    },
  });
  await another();
  await poll('both are open', () => sockets.size === 2);
  changes.notify();
  await poll('both are closed', () => sockets.size === 0);
  expect(new Set(turns).size).toBe(2);
});

test('signs of life that take long together leave turns to others', async () => {
  const { sockets, another } = await opened({
    keepAliveMs: 20,
    limits: {
      ...LIMITS,
      // Asked for with each sign of life.
      get silentMs() {
        work();
        return 60_000;
      },
    },
  });
  await another();
  await poll('both are open', () => sockets.size === 2);
  turns = [];
  await poll('both have had two', () => turns.length >= 4);
  expect(new Set(turns.slice(0, 4)).size).toBe(4);
});

test('a client that has not said who it is may not say much', async () => {
  const { client } = await opened();
  const headers = { 'x-hasura-ids': '1'.repeat(70_000) };
  client.send(JSON.stringify({ type: 'connection_init', payload: { headers } }));
  const [code, reason] = await once(client, 'close');
  expect({ code, reason: String(reason) }).toEqual({
    code: 4400,
    reason:
      'Parsing client message failed: a message before the connection is initialised is longer than 65536 bytes',
  });
});
