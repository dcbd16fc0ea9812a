import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { WebSocket } from 'ws';
import { type Session, sessionOf } from '../../../../src/http/auth/session.ts';
import { Connection, type ConnectionParts } from '../../../../src/http/socket/connection.ts';
import { TRANSPORT } from '../../../../src/http/socket/transport-protocol.ts';

/** A socket that only remembers. */
class Remembered extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  readonly sent: string[] = [];
  code: number | null = null;

  send(text: string): void {
    this.sent.push(String(text));
  }

  close(code: number): void {
    this.code = code;
  }

  pause(): void {}

  resume(): void {}
}

let socket: Remembered;
let letIn: (session: Session) => void;
let events: string[];

beforeEach(() => {
  vi.useFakeTimers();
  socket = new Remembered();
  events = [];
  const admission = new Promise<Session>((resolve) => {
    letIn = resolve;
  });
  const parts = {
    authenticator: { authenticate: () => admission },
    log: { info: ({ event }: { event: string }) => events.push(event), error: () => undefined },
    showsInternal: () => false,
    limits: { initMs: 3000, operations: 10, requestMs: 1000, pendingBytes: 1000, silentMs: 60_000 },
    unsent: { add: () => () => undefined },
    nowMs: () => Date.now(),
  } as unknown as ConnectionParts;
  const opened = {
    id: '1',
    socket: socket as unknown as WebSocket,
    protocol: TRANSPORT,
    headers: {},
    names: [],
    ip: '',
    admitted: () => undefined,
  };
  new Connection(opened, parts);
  socket.emit('message', Buffer.from('{"type":"connection_init"}'), false);
});

afterEach(() => {
  vi.useRealTimers();
});

const session = (): Session => sessionOf('user', new Map(), Date.now() + 10_000);

test('a client that is let in stays until its session ends', async () => {
  letIn(session());
  await vi.advanceTimersByTimeAsync(9_999);
  expect([socket.sent, socket.code]).toEqual([['{"type":"connection_ack"}'], null]);
  await vi.advanceTimersByTimeAsync(1);
  expect([socket.code, events, vi.getTimerCount()]).toEqual([4403, ['connected', 'closed'], 0]);
});

test('a client that goes while its credentials are checked leaves nothing behind', async () => {
  socket.emit('close');
  letIn(session());
  await vi.advanceTimersByTimeAsync(0);
  expect([socket.sent, events, vi.getTimerCount()]).toEqual([[], ['disconnected'], 0]);
});
