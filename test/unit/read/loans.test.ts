import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { must } from '../../../src/core/assert.ts';
import { Stop } from '../../../src/core/waiting/stop-signal.ts';
import { Turns } from '../../../src/core/waiting/turns.ts';
import { readError } from '../../../src/read/error-mapping.ts';
import { WireConnection } from '../../../src/read/wire/connection.ts';
import {
  ConnectionLost,
  isConnectionLost,
  isWorthRepeating,
  unlessStopped,
} from '../../../src/read/wire/failure.ts';
import { Loans } from '../../../src/read/wire/loans.ts';
import { SpareBuffers } from '../../../src/read/wire/spare-buffers.ts';

/** ReadyForQuery, inside a transaction. */
const IN_TRANSACTION = Buffer.from([0x5a, 0, 0, 0, 5, 0x54]);

/** Sessions whose server says nothing by itself, and the other ends of their sockets. */
class Sessions {
  readonly made: WireConnection[] = [];
  readonly servers: Duplex[] = [];
  readonly loans: Loans;
  cancels = 0;

  constructor(most: number, timeoutMs = 2_000) {
    this.loans = new Loans({
      most: () => most,
      timeoutMs,
      connect: () => Promise.resolve(this.#connect()),
      whenOpen: unlessStopped,
    });
  }

  #connect(): WireConnection {
    const server = new Duplex({ read: () => undefined, write: (_bytes, _encoding, done) => done() });
    const session = new WireConnection(server, {
      rowLimit: 1000,
      buffers: new SpareBuffers(),
      statementLimit: 10,
      history: null,
      makesTemps: false,
      cancel: async () => {
        this.cancels += 1;
      },
      cancels: new Turns(1),
      silenceMs: 60_000,
      isServed: () => Promise.resolve(true),
      onUnserved: () => undefined,
      onAnswered: () => undefined,
    });
    this.servers.push(server);
    this.made.push(session);
    return session;
  }

  /** Lends one, and says which it is, by the order in which they were made. */
  async take(signal: Stop | null = null): Promise<{ readonly number: number; readonly release: () => void }> {
    const loan = await this.loans.take(signal);
    return { number: this.made.indexOf(loan.connection), release: () => loan.release() };
  }
}

test('whoever waits for a session hears at once that none can be made', async () => {
  const connect = (): Promise<never> => Promise.reject(new ConnectionLost('no connection'));
  const loans = new Loans({ most: () => 1, timeoutMs: 2_000, connect, whenOpen: unlessStopped });
  const asked = await Promise.allSettled([loans.take(null), loans.take(null), loans.take(null)]);
  expect(asked.map((one) => (one.status === 'rejected' ? String(one.reason) : 'lent'))).toEqual(
    asked.map(() => 'ConnectionLost: no connection'),
  );
});

test('who has gone already waits for none', async () => {
  const never = (): Promise<never> => new Promise(() => undefined);
  const loans = new Loans({ most: () => 1, timeoutMs: 2_000, connect: never, whenOpen: unlessStopped });
  void loans.take(null);
  const gone = new Stop();
  gone.abort(new Error('gone'));
  await expect(loans.take(gone)).rejects.toBe(gone.reason);
});

test('who leaves while a session is opened for him hears of it at once, and whoever waits gets the session', async () => {
  const sessions = new Sessions(1);
  const gone = new Stop();
  const left = sessions.take(gone);
  const waiting = sessions.take();
  gone.abort(new Error('gone'));
  await expect(left).rejects.toBe(gone.reason);
  const { number, release } = await waiting;
  expect(number).toBe(0);
  release();
  expect((await sessions.take()).number).toBe(0);
});

test('a session that nobody waits for any more when it is there serves the next', async () => {
  const sessions = new Sessions(1);
  const gone = new Stop();
  const left = sessions.take(gone);
  gone.abort(new Error('gone'));
  await expect(left).rejects.toBe(gone.reason);
  await new Promise(setImmediate);
  expect((await sessions.take()).number).toBe(0);
});

test('a session that is given back serves whoever waits, in the order they came, else the next', async () => {
  const sessions = new Sessions(1);
  const held = await sessions.take();
  const served: string[] = [];
  const waiting = ['first', 'second'].map(async (name) => {
    const { number, release } = await sessions.take();
    served.push(`${name} by ${number}`);
    release();
  });
  held.release();
  await Promise.all(waiting);
  expect(served).toEqual(['first by 0', 'second by 0']);
  expect((await sessions.take()).number).toBe(0);
});

test('given back twice it is lent to one at a time', async () => {
  const sessions = new Sessions(2);
  const held = await sessions.take();
  held.release();
  held.release();
  const both = await Promise.all([sessions.take(), sessions.take()]);
  expect(both.map(({ number }) => number)).toEqual([0, 1]);
});

test.each<[string, (session: WireConnection, server: Duplex) => void, number]>([
  ['is inside a transaction', (_, server) => void server.push(IN_TRANSACTION), 0],
  ['broke', (_, server) => void server.destroy(), 0],
  [
    'still runs something',
    (session) => void session.run('select 1', [], { signal: null, prepared: false }).catch(() => undefined),
    1,
  ],
])('one that %s is ended when it is given back, and another takes its place', async (_, spoil, cancels) => {
  const sessions = new Sessions(1);
  const held = await sessions.take();
  const waiting = sessions.take();
  spoil(must(sessions.made[0], 'session'), must(sessions.servers[0], 'server'));
  await new Promise(setImmediate);
  held.release();
  expect((await waiting).number).toBe(1);
  expect(sessions.made[0]?.isOpen).toBe(false);
  expect(sessions.cancels).toBe(cancels);
});

test('one that broke while nobody held it is not lent, nor counted', async () => {
  const sessions = new Sessions(1);
  (await sessions.take()).release();
  sessions.servers[0]?.destroy();
  await new Promise(setImmediate);
  expect((await sessions.take()).number).toBe(1);
});

test('who waited too long or has gone is passed over', async () => {
  const sessions = new Sessions(1, 20);
  const held = await sessions.take();
  const gone = new Stop();
  const [late, given] = [sessions.take(), sessions.take(gone)];
  gone.abort(new Error('gone'));
  await expect(given).rejects.toBe(gone.reason);
  const taken = await late.catch((error: unknown) => error);
  expect(String(taken)).toContain('every session for transactions is taken');
  // The same would be waited for again.
  expect([isWorthRepeating(taken), isConnectionLost(taken)]).toEqual([false, false]);
  expect(readError(taken, 'pg2', 'target')).toMatchObject({
    code: 'target-unavailable',
    message: 'database "pg2" is busy with other answers',
  });
  held.release();
  expect((await sessions.take()).number).toBe(0);
});

test('when they are closed nobody waits any more, none is lent, and what is held ends when it is given back', async () => {
  const sessions = new Sessions(2);
  const [held, other] = [await sessions.take(), await sessions.take()];
  const waiting = expect(sessions.take()).rejects.toThrow('the pool is closed');
  expect(sessions.loans.close()).toEqual([]);
  await waiting;
  await expect(sessions.take()).rejects.toThrow('the pool is closed');
  for (const loan of [held, other]) loan.release();
  expect(sessions.made.map(({ isOpen }) => isOpen)).toEqual([false, false]);
});

test('those that nobody holds are given to who closes', async () => {
  const sessions = new Sessions(1);
  (await sessions.take()).release();
  expect(sessions.loans.close()).toEqual(sessions.made);
  await expect(sessions.take()).rejects.toThrow('the pool is closed');
});
