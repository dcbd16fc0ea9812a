import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { type Letter, Outbox } from '../../../../src/replicate/write/outbox.ts';

/** A socket that takes what it is given at once, or nothing until it is told to. */
class Socket extends Writable {
  taken = '';
  #waiting: (() => void) | null = null;
  readonly #isSlow: boolean;

  constructor(isSlow = false) {
    super();
    this.#isSlow = isSlow;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (chunk.length < 100) this.taken += chunk.toString();
    if (this.#isSlow) this.#waiting = done;
    else done();
  }

  goOn(): void {
    const done = this.#waiting;
    this.#waiting = null;
    done?.();
  }
}

function closedGate(): { readonly promise: Promise<void>; open(): void; fail(reason: Error): void } {
  let open = (): void => undefined;
  let fail = (_reason: Error): void => undefined;
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

function letter(...pieces: readonly (string | Promise<void>)[]): Letter & { readonly refusals: unknown[] } {
  const refusals: unknown[] = [];
  const made = pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece));
  return { pieces: made.values(), refused: (reason) => refusals.push(reason), refusals };
}

test('letters go out whole and in order, and wait at a closed gate', async () => {
  const socket = new Socket();
  const outbox = new Outbox();
  const gate = closedGate();
  outbox.add(socket, letter('a', gate.promise, 'b'));
  outbox.add(socket, letter('c'));
  expect(socket.taken).toBe('a');
  gate.open();
  await gate.promise;
  expect(socket.taken).toBe('abc');
});

test('a letter that is cut ends at once, also at its gate, which does not matter any more', async () => {
  const socket = new Socket();
  const outbox = new Outbox();
  const gate = closedGate();
  const cut = letter('a', gate.promise, 'b');
  outbox.add(socket, cut);
  outbox.add(socket, letter('c'));
  outbox.cut(cut, Buffer.from('!'));
  expect(socket.taken).toBe('a!c');
  gate.fail(new Error('too late'));
  await gate.promise.catch(() => undefined);
  expect([cut.refusals, socket.destroyed, socket.taken]).toEqual([[], false, 'a!c']);
  outbox.cut(cut, Buffer.from('!'));
  expect(socket.taken).toBe('a!c');
});

test('a gate that fails cuts the connection: nothing more goes out', async () => {
  const socket = new Socket();
  const outbox = new Outbox();
  const reason = new Error('not shown');
  const refused = letter('a', Promise.reject(reason), 'b');
  outbox.add(socket, refused);
  outbox.add(socket, letter('c'));
  await new Promise((resolve) => socket.once('close', resolve));
  expect([refused.refusals, socket.taken]).toEqual([[reason], 'a']);
});

test('no more is made than the server has room for', async () => {
  const socket = new Socket(true);
  const outbox = new Outbox();
  let made = 0;
  function* endless(): Generator<Buffer> {
    for (;;) {
      made += 1;
      yield Buffer.alloc(1 << 20);
    }
  }
  outbox.add(socket, { pieces: endless(), refused: () => undefined });
  expect(made).toBe(4);
  for (let taken = 0; taken < 4; taken += 1) socket.goOn();
  await new Promise((resolve) => setImmediate(resolve));
  expect(made).toBe(8);
});
