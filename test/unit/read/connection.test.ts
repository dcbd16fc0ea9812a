import { Duplex } from 'node:stream';
import { afterEach, expect, test, vi } from 'vitest';
import { LEAVE_MS } from '../../../src/core/waiting/after-abort.ts';
import { Stop, type StopSignal } from '../../../src/core/waiting/stop-signal.ts';
import { Turns } from '../../../src/core/waiting/turns.ts';
import { WireConnection } from '../../../src/read/wire/connection.ts';
import { ConnectionLost } from '../../../src/read/wire/failure.ts';
import type { RunOptions, WireRow } from '../../../src/read/wire/request.ts';
import { SpareBuffers } from '../../../src/read/wire/spare-buffers.ts';
import { poll } from '../../support/poll.ts';

afterEach(() => void vi.useRealTimers());

test('who gives up before his turn ends nothing of others, and his own when its turn comes', async () => {
  const { session, says, cancels } = connected();
  const first = session.run('select 1', [], PLAIN);
  const gone = new Stop();
  const second = session.run('select 2', [], { ...PLAIN, signal: gone });
  gone.abort(new Error('gone'));
  await expect(second).rejects.toThrow('gone');
  expect(cancels).toHaveLength(0);
  says(READY);
  await first;
  expect(cancels).toHaveLength(1);
});

test('a session that ended in time what was given up goes on, one that did not is lost', async () => {
  vi.useFakeTimers();
  const { session, says, givenUp } = connected();
  await givenUp();
  says(refusal(CANCELED), READY);
  vi.advanceTimersByTime(2 * SILENCE_MS);
  expect(session.isOpen).toBe(true);
  await givenUp();
  vi.advanceTimersByTime(2 * SILENCE_MS);
  expect(session.isOpen).toBe(false);
});

test('what is ended while a cancel request is on its way may be meant for another, and afterwards is not', async () => {
  const { session, says, cancels, givenUp } = connected();
  await givenUp();
  says(refusal(CANCELED), READY);
  // Whoever takes the session now for himself could be ended too.
  expect(session.isIdle).toBe(false);
  const meanwhile = session.run('select 1', [], PLAIN);
  says(refusal(CANCELED), READY);
  await expect(meanwhile).rejects.toMatchObject({ state: CANCELED, bystander: true });
  cancels[0]?.();
  await poll('the cancel request to be over', () => session.isIdle);
  const afterwards = session.run('select 1', [], PLAIN);
  says(refusal(CANCELED), READY);
  await expect(afterwards).rejects.toMatchObject({ state: CANCELED, bystander: false });
});

test('who shares a statement with one that was given up before it was prepared asks again', async () => {
  const { session, says } = connected();
  const gone = new Stop();
  const first = session.run('select 1', [], { prepared: true, signal: gone });
  const second = session.run('select 1', [], { prepared: true, signal: null });
  gone.abort(new Error('gone'));
  await expect(first).rejects.toThrow('gone');
  says(refusal(CANCELED), READY, refusal(NOT_PREPARED), READY);
  await expect(second).rejects.toMatchObject({ state: NOT_PREPARED });
});

test('a request that there is no memory for leaves no answer of others to be taken for its own', async () => {
  const { session, says } = connected();
  const full = (): never => {
    throw new RangeError('Array buffer allocation failed');
  };
  const memory = vi.spyOn(Buffer, 'allocUnsafe').mockImplementationOnce(full);
  await expect(session.run('select 1', ['long'], PLAIN)).rejects.toThrow('allocation failed');
  memory.mockRestore();
  expect(session.load).toBe(0);
  const next = session.run('select 2', [], PLAIN);
  says(READY);
  await expect(next).resolves.toEqual([]);
});

test('a session that is to end takes no more requests, and answers those it has', async () => {
  const { session, says, line } = connected();
  const asked = session.run('select 1', [], PLAIN);
  const ended = session.finish();
  expect(session.isOpen).toBe(false);
  await expect(session.run('select 1', [], PLAIN)).rejects.toBeInstanceOf(ConnectionLost);
  says(READY);
  await expect(asked).resolves.toEqual([]);
  line.destroy();
  await ended;
});

test('a session whose server does not close it ends all the same', async () => {
  vi.useFakeTimers();
  const { session, line } = connected();
  const ended = session.close();
  vi.advanceTimersByTime(LEAVE_MS);
  await ended;
  expect(line.destroyed).toBe(true);
});

test('what a session learnt of a standby is not gone by once the server has been promoted', async () => {
  const { session, says } = connected();
  const asked = session.run('select 1', [], PLAIN);
  says(told('in_hot_standby', 'on'), told('TimeZone', 'off'), READY);
  await expect(asked).resolves.toEqual([]);
  const next = session.run('select 1', [], PLAIN);
  says(told('in_hot_standby', 'off'), READY);
  await expect(next).rejects.toMatchObject({ cause: { message: 'the server was promoted' } });
  expect(session.isOpen).toBe(false);
});

const PLAIN: RunOptions = { signal: null, prepared: false };
const SILENCE_MS = 1000;
const CANCELED = '57014';
const NOT_PREPARED = '26000';

interface Connected {
  readonly session: WireConnection;
  readonly line: Duplex;
  /** The server sends these messages. */
  readonly says: (...messages: readonly Buffer[]) => void;
  /** Of each cancel request that was sent, what has the server hear it. */
  readonly cancels: readonly (() => void)[];
  /** A request runs and is given up. */
  readonly givenUp: () => Promise<void>;
}

/** A session, and what its server does. */
function connected(): Connected {
  const line = new Duplex({ read: () => undefined, write: (_bytes, _encoding, done) => done() });
  const cancels: (() => void)[] = [];
  const session = new WireConnection(line, {
    rowLimit: 1000,
    buffers: new SpareBuffers(),
    statementLimit: 10,
    history: null,
    makesTemps: false,
    cancel: () => new Promise((resolve) => void cancels.push(resolve)),
    cancels: new Turns(10),
    silenceMs: SILENCE_MS,
    isServed: () => Promise.resolve(true),
    onUnserved: () => undefined,
    onAnswered: () => undefined,
  });
  const ask = (signal: StopSignal): Promise<readonly WireRow[]> =>
    session.run('select 0', [], { ...PLAIN, signal });
  const givenUp = async (): Promise<void> => {
    const gone = new Stop();
    const asked = ask(gone);
    gone.abort(new Error('gone'));
    await expect(asked).rejects.toThrow('gone');
  };
  // As `data` of a socket, which comes as soon as it is there.
  const says = (...messages: readonly Buffer[]): void => void line.emit('data', Buffer.concat(messages));
  return { session, line, says, cancels, givenUp };
}

/** ReadyForQuery: what was asked has ended. */
const READY = message('Z', 'I');

/** ErrorResponse. */
function refusal(state: string): Buffer {
  return message('E', `C${state}\0\0`);
}

/** ParameterStatus. */
function told(parameter: string, value: string): Buffer {
  return message('S', `${parameter}\0${value}\0`);
}

function message(type: string, text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.alloc(5, type);
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}
