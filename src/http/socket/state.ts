import { unreachable } from '../../core/assert.ts';
import { NearjoinError } from '../../core/errors.ts';
import { graphqlErrorJson } from '../error-reply.ts';
import { closing, type Effect, sending } from './effects.ts';
import type { ClientMessage } from './messages.ts';
import type { Protocol } from './protocol.ts';

type Start = Extract<ClientMessage, { kind: 'start' }>;

/** How far a connection is. */
export type SocketState =
  /** The client has not sent `connection_init` yet. */
  | { readonly kind: 'opening' }
  /** Credentials are being checked; operations that came meanwhile wait. */
  | { readonly kind: 'admitting'; readonly waiting: readonly Start[] }
  | { readonly kind: 'ready'; readonly operations: ReadonlySet<string> }
  | { readonly kind: 'closed' };

/** What can happen to a connection. */
export type SocketEvent =
  | { readonly kind: 'message'; readonly message: ClientMessage }
  | { readonly kind: 'admitted' }
  | { readonly kind: 'refused'; readonly reason: string }
  /** The time for `connection_init` has passed. */
  | { readonly kind: 'late' }
  /** An operation has ended by itself, and the client was told. */
  | { readonly kind: 'ended'; readonly id: string }
  /** The session does not hold any longer. */
  | { readonly kind: 'expired' }
  /** All clients must connect again. */
  | { readonly kind: 'restart'; readonly reason: string }
  /** It is time for a sign of life. */
  | { readonly kind: 'beat' };

/** What holds for a connection from its beginning. */
export interface SocketRules {
  readonly protocol: Protocol;
  /** Most operations at the same time. */
  readonly operationLimit: number;
}

/** The state after an event, and what is to be done because of it. */
export interface SocketStep {
  readonly state: SocketState;
  readonly effects: readonly Effect[];
}

/** How every connection begins. */
export const OPENING: SocketState = { kind: 'opening' };

/** The next state of a connection, and what is to be done. Pure; a closed connection stays closed. */
export function advance(rules: SocketRules, state: SocketState, event: SocketEvent): SocketStep {
  if (state.kind === 'closed') return { state, effects: [] };
  const step = react(rules, state, event);
  return isEnd(step) ? { ...step, state: { kind: 'closed' } } : step;
}

type Open = Exclude<SocketState, { kind: 'closed' }>;

function react(rules: SocketRules, state: Open, event: SocketEvent): SocketStep {
  const { protocol } = rules;
  switch (event.kind) {
    case 'message':
      return onMessage(rules, state, event.message);
    case 'admitted':
      return state.kind === 'admitting' ? letIn(rules, state.waiting) : { state, effects: [] };
    case 'refused':
      return { state, effects: protocol.onRefused(event.reason) };
    case 'late':
      return state.kind === 'opening' ? close(state, 4408, 'Connection initialisation timeout') : same(state);
    case 'ended':
      return state.kind === 'ready' ? { state: without(state, event.id), effects: [] } : same(state);
    case 'expired':
      return close(state, 4403, 'Forbidden: the session has expired');
    case 'restart':
      return close(state, 1012, event.reason);
    case 'beat':
      return state.kind === 'ready' ? send(state, protocol.alive) : same(state);
    default:
      return unreachable(event);
  }
}

function onMessage(rules: SocketRules, state: Open, message: ClientMessage): SocketStep {
  const { protocol } = rules;
  switch (message.kind) {
    case 'init':
      return state.kind === 'opening'
        ? {
            state: { kind: 'admitting', waiting: [] },
            effects: [{ kind: 'admit', headers: message.headers }],
          }
        : close(state, 4429, 'Too many initialisation requests');
    case 'start':
      return onStart(rules, state, message);
    case 'stop':
      return onStop(state, message.id);
    case 'ping':
      return send(state, protocol.pong(message.payload));
    case 'pong':
      return same(state);
    case 'terminate':
      return close(state, 1000, 'GQL_CONNECTION_TERMINATE received');
    case 'malformed':
      return { state, effects: protocol.onMalformed(message.problem) };
    default:
      return unreachable(message);
  }
}

function onStart(rules: SocketRules, state: Open, start: Start): SocketStep {
  if (state.kind === 'ready') return begin(rules, state, start);
  if (state.kind === 'opening') return { state, effects: rules.protocol.onEarlyStart(start.id) };
  // As in Hasura: whether a client has waited for its acknowledgement is not seen, only that its message came later.
  if (state.waiting.length >= rules.operationLimit) return close(state, 4429, 'Too many operations');
  return { state: { kind: 'admitting', waiting: [...state.waiting, start] }, effects: [] };
}

type Ready = Extract<SocketState, { kind: 'ready' }>;

function begin({ protocol, operationLimit }: SocketRules, state: Ready, { id, payload }: Start): SocketStep {
  const { operations } = state;
  if (operations.has(id)) return { state, effects: protocol.onRepeatedId(id) };
  if (operations.size >= operationLimit) {
    const message = `a connection may run at most ${operationLimit} operations at the same time`;
    const error = graphqlErrorJson(new NearjoinError('start-failed', message), false);
    return { state, effects: sending(protocol.refusedOperation(id, error)) };
  }
  return {
    state: { kind: 'ready', operations: new Set(operations).add(id) },
    effects: [{ kind: 'start', id, payload }],
  };
}

/** Admits the client, and starts the operations that waited for that. */
function letIn(rules: SocketRules, waiting: readonly Start[]): SocketStep {
  const opened: SocketStep = {
    state: { kind: 'ready', operations: new Set() },
    effects: sending(rules.protocol.acknowledged),
  };
  return waiting.reduce((before, start) => {
    const { state, effects } = before;
    if (state.kind !== 'ready' || isEnd(before)) return before;
    const step = begin(rules, state, start);
    return { state: step.state, effects: [...effects, ...step.effects] };
  }, opened);
}

function isEnd({ effects }: SocketStep): boolean {
  return effects.some(({ kind }) => kind === 'close');
}

/** A stop for an operation that is not there is ignored: it has crossed the operation's end on the way. */
function onStop(state: Open, id: string): SocketStep {
  if (state.kind === 'admitting') {
    return { state: { ...state, waiting: state.waiting.filter((start) => start.id !== id) }, effects: [] };
  }
  if (state.kind !== 'ready' || !state.operations.has(id)) return same(state);
  return { state: without(state, id), effects: [{ kind: 'stop', id }] };
}

function without({ operations }: Ready, id: string): SocketState {
  const left = new Set(operations);
  left.delete(id);
  return { kind: 'ready', operations: left };
}

function send(state: SocketState, text: string): SocketStep {
  return { state, effects: [{ kind: 'send', text }] };
}

function close(state: SocketState, code: number, reason: string): SocketStep {
  return { state, effects: [closing(code, reason)] };
}

function same(state: SocketState): SocketStep {
  return { state, effects: [] };
}
