import { describe, expect, test } from 'vitest';
import { APOLLO } from '../../../../src/http/socket/apollo-protocol.ts';
import type { Effect } from '../../../../src/http/socket/effects.ts';
import { readClientMessage } from '../../../../src/http/socket/messages.ts';
import type { Protocol } from '../../../../src/http/socket/protocol.ts';
import { advance, OPENING, type SocketEvent, type SocketState } from '../../../../src/http/socket/state.ts';
import { TRANSPORT } from '../../../../src/http/socket/transport-protocol.ts';

interface Run {
  readonly state: SocketState;
  readonly effects: readonly Effect[];
}

/** Feeds events, or texts of a client, to a connection of at most two operations. */
function run(protocol: Protocol, ...events: readonly (SocketEvent | object | string)[]): Run {
  let state: SocketState = OPENING;
  const effects: Effect[] = [];
  for (const each of events) {
    const event: SocketEvent =
      typeof each === 'object' && 'kind' in each
        ? (each as SocketEvent)
        : { kind: 'message', message: said(protocol, each) };
    const step = advance({ protocol, operationLimit: 2 }, state, event);
    state = step.state;
    effects.push(...step.effects);
  }
  return { state, effects };
}

function said(protocol: Protocol, message: object | string) {
  return readClientMessage(typeof message === 'string' ? message : JSON.stringify(message), protocol.words);
}

const init = { type: 'connection_init', payload: { headers: { 'X-Hasura-Role': 'user' } } };
const admitted = { kind: 'admitted' };
const subscribe = (id: string) => ({ id, type: 'subscribe', payload: { query: '{ a }' } });
const start = (id: string) => ({ id, type: 'start', payload: { query: '{ a }' } });
const admit = { kind: 'admit', headers: { 'X-Hasura-Role': 'user' } };
const ack = { kind: 'send', text: '{"type":"connection_ack"}' };
const ka = { kind: 'send', text: '{"type":"ka"}' };

function startOf(id: string): object {
  return { kind: 'start', id, payload: { query: '{ a }' } };
}

describe('graphql-transport-ws', () => {
  test('a client is let in, starts, and ends an operation', () => {
    const { state, effects } = run(TRANSPORT, init, admitted, subscribe('1'), { id: '1', type: 'complete' });
    expect(effects).toEqual([admit, ack, startOf('1'), { kind: 'stop', id: '1' }]);
    expect(state).toEqual({ kind: 'ready', operations: new Set() });
  });

  test.each([
    ['an operation before connection_init', [subscribe('1')], 4401],
    ['a second connection_init', [init, init], 4429],
    ['another one later', [init, admitted, init], 4429],
    ['an id in use', [init, admitted, subscribe('1'), subscribe('1')], 4409],
    ['no JSON', ['{'], 4400],
    ['a message without a type', [{}], 4400],
    ['a word of the other protocol', [init, admitted, start('1')], 4400],
    ['an operation without an id', [init, admitted, { ...subscribe('1'), id: undefined }], 4400],
    ['an operation without a payload', [init, admitted, { id: '1', type: 'subscribe' }], 4400],
    ['headers that are no texts', [{ type: 'connection_init', payload: { headers: { a: 1 } } }], 4400],
    ['refused credentials', [init, { kind: 'refused', reason: 'wrong secret' }], 4403],
    ['no word in time', [{ kind: 'late' }], 4408],
    ['an expired session', [init, admitted, { kind: 'expired' }], 4403],
    ['new metadata', [init, admitted, { kind: 'restart', reason: 'x'.repeat(200) }], 1012],
  ])('%s closes the connection', (_, events, code) => {
    const { state, effects } = run(TRANSPORT, ...events);
    expect(state).toEqual({ kind: 'closed' });
    expect(effects.at(-1)).toMatchObject({ kind: 'close', code });
    expect(Buffer.byteLength(JSON.stringify(effects.at(-1)))).toBeLessThan(180);
  });

  test('an operation after connection_init waits for the acknowledgement, whenever that comes', () => {
    const { state, effects } = run(TRANSPORT, init, subscribe('1'), admitted);
    expect(effects).toEqual([admit, ack, startOf('1')]);
    expect(state).toEqual({ kind: 'ready', operations: new Set(['1']) });
  });

  test('of operations that waited none begins after one that closes the connection', () => {
    const waiting = ['1', '1', '2'].map((id) => ({ kind: 'start', id, payload: {} }) as const);
    const rules = { protocol: TRANSPORT, operationLimit: 5 };
    const { state, effects } = advance(rules, { kind: 'admitting', waiting }, { kind: 'admitted' });
    expect(state).toEqual({ kind: 'closed' });
    expect(effects.map(({ kind }) => kind)).toEqual(['send', 'start', 'close']);
  });

  test('nothing happens on a closed connection', () => {
    const { effects } = run(TRANSPORT, init, admitted, { kind: 'expired' }, subscribe('1'), {
      kind: 'beat',
    });
    expect(effects.map(({ kind }) => kind)).toEqual(['admit', 'send', 'close']);
  });

  test('a message of a name without end is refused with as much of it as a close frame holds', () => {
    const headers = { ['ä'.repeat(5_000_000)]: 1 };
    const { effects } = run(TRANSPORT, { type: 'connection_init', payload: { headers } });
    expect(effects).toEqual([{ kind: 'close', code: 4400, reason: expect.stringMatching(/ä$/) }]);
    const [close] = effects;
    expect(close?.kind === 'close' && Buffer.byteLength(close.reason)).toBeLessThanOrEqual(123);
  });

  test('pings are answered at any time, with what they carried', () => {
    const pings = [{ payload: { at: 2 ** 60 } }, {}, { payload: null }].map((ping) => ({
      type: 'ping',
      ...ping,
    }));
    const { effects } = run(TRANSPORT, ...pings, { type: 'pong' });
    expect(effects).toEqual([
      { kind: 'send', text: '{"type":"pong","payload":{"at":1152921504606847000}}' },
      { kind: 'send', text: '{"type":"pong"}' },
      { kind: 'send', text: '{"type":"pong","payload":null}' },
    ]);
  });

  test('the init timeout does not hit a client whose credentials are being checked', () => {
    expect(run(TRANSPORT, init, { kind: 'late' }, admitted).state.kind).toBe('ready');
  });

  test('an ended id may be used again, and a late stop is no error', () => {
    const { effects } = run(
      TRANSPORT,
      init,
      admitted,
      subscribe('1'),
      { kind: 'ended', id: '1' },
      { id: '1', type: 'complete' },
      subscribe('1'),
    );
    expect(effects.slice(2)).toEqual([startOf('1'), startOf('1')]);
  });

  test('more operations than allowed are refused one by one', () => {
    const { effects } = run(TRANSPORT, init, admitted, subscribe('1'), subscribe('2'), subscribe('3'));
    expect(effects.at(-1)).toEqual({
      kind: 'send',
      text:
        '{"type":"error","id":"3","payload":[{"message":"a connection may run at most 2 operations at the same time",' +
        '"extensions":{"path":"$","code":"start-failed"}}]}',
    });
  });
});

describe('graphql-ws', () => {
  test('operations sent together with connection_init wait for the acknowledgement', () => {
    const { effects } = run(APOLLO, init, start('1'), start('2'), { id: '1', type: 'stop' }, admitted);
    expect(effects).toEqual([admit, ack, ka, startOf('2')]);
    const both = run(APOLLO, init, start('1'), start('2'), admitted);
    expect(both.effects).toEqual([admit, ack, ka, startOf('1'), startOf('2')]);
    const tooMany = run(APOLLO, init, start('1'), start('2'), start('3'), admitted);
    expect(tooMany.effects).toEqual([admit, { kind: 'close', code: 4429, reason: 'Too many operations' }]);
  });

  test('an operation before connection_init is an error of its own', () => {
    const { state, effects } = run(APOLLO, start('1'));
    expect(state).toEqual(OPENING);
    expect(effects).toEqual([
      {
        kind: 'send',
        text:
          '{"type":"error","id":"1","payload":{"message":"start received before the connection is initialised",' +
          '"extensions":{"path":"$","code":"start-failed"}}}',
      },
      { kind: 'send', text: '{"type":"complete","id":"1"}' },
    ]);
  });

  test('an id in use is an error and leaves the first operation alone', () => {
    const { state, effects } = run(APOLLO, init, admitted, start('1'), start('1'));
    expect(state).toEqual({ kind: 'ready', operations: new Set(['1']) });
    expect(effects.at(-2)).toMatchObject({ text: expect.stringContaining('already exists with this id: 1') });
  });

  test('what cannot be read is told, refused credentials end the connection too', () => {
    expect(run(APOLLO, 'no json').effects).toEqual([
      {
        kind: 'send',
        text: '{"type":"connection_error","payload":"parsing ClientMessage failed: not a valid json value"}',
      },
    ]);
    expect(run(APOLLO, init, { kind: 'refused', reason: 'wrong secret' }).effects.slice(1)).toEqual([
      { kind: 'send', text: '{"type":"connection_error","payload":"wrong secret"}' },
      { kind: 'close', code: 4400, reason: 'Connection initialization failed: wrong secret' },
    ]);
  });

  test('the client says goodbye, keep-alives go to whoever was let in', () => {
    expect(run(APOLLO, { kind: 'beat' }, init, admitted, { kind: 'beat' }).effects).toEqual([
      admit,
      ack,
      ka,
      ka,
    ]);
    expect(run(APOLLO, init, admitted, { type: 'connection_terminate' }).effects.at(-1)).toMatchObject({
      code: 1000,
    });
  });
});
