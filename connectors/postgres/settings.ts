import type { Log } from '../../src/core/log.ts';
import { FIND_OPERATORS } from '../../src/core/postgres/search-path.ts';
import { SESSION_FORM, settingsStatement } from '../../src/core/postgres/session-form.ts';
import type { History } from './history.ts';

/** How long the connector waits for things; tests shorten them. */
export interface Timings {
  /** For a connection to be made, and for a stream to start. */
  readonly connectMs: number;
  /** For an ordinary statement. */
  readonly statementMs: number;
  /** For a lock on a user's table. */
  readonly lockMs: number;
  /** After so long without a word from us the target ends our stream and frees the slot. */
  readonly walSenderTimeoutMs: number;
  /** How often we say how far we are, and ask for a sign of life when there was none. */
  readonly tickMs: number;
  /**
   * After so long without a byte a stream counts as dead. A server deep in a transaction that does not concern us
   * answers only every half `walSenderTimeoutMs`, so this must be longer.
   */
  readonly silenceMs: number;
}

/** Timings for production. */
export const DEFAULT_TIMINGS: Timings = {
  connectMs: 5_000,
  statementMs: 10_000,
  lockMs: 3_000,
  walSenderTimeoutMs: 10_000,
  tickMs: 1_000,
  silenceMs: 7_000,
};

/** Below that a change is written faster when it is there as a whole. */
export const LARGE_BYTES = 16 << 20;

/** What every file of this connector needs to know about its target. */
export interface Target {
  readonly url: string;
  /** Name of our slot and of our publication. */
  readonly name: string;
  /** Whoever reads from the slot under another name reads for another database; null for one who does not read, and ends nobody who does. */
  readonly reader: string | null;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly timings: Timings;
  /** A change of so many bytes is not gathered in memory, but written as it comes. */
  readonly largeBytes: number;
  /** What all connections must lead to. */
  readonly history: History;
}

/** Shown in the target's pg_stat_activity. */
export const APPLICATION_NAME = 'nearjoin';

/** The same of sessions that hold a slot. */
export const READER_PREFIX = 'nearjoin for ';

/** What a session that is to hold our slot is called. */
export function readerApplication({ reader }: Pick<Target, 'reader'>): string {
  return reader === null ? APPLICATION_NAME : READER_PREFIX + reader;
}

/**
 * Settings that make a value's text the same on every connection, whatever the role or database says, and that keep
 * the target from ending a long copy.
 */
const SESSION_SETTINGS: readonly (readonly [name: string, value: string])[] = [
  ...SESSION_FORM,
  // A copy must fail rather than silently leave out rows a policy hides.
  ['row_security', 'off'],
  ['statement_timeout', '0'],
  ['idle_in_transaction_session_timeout', '0'],
  ['idle_session_timeout', '0'],
  ['transaction_timeout', '0'],
];

/** Statements that apply our settings, and more. */
export function sessionSettings(more: Readonly<Record<string, string>>): string {
  return `${settingsStatement([...SESSION_SETTINGS, ...Object.entries(more)])}; ${FIND_OPERATORS}`;
}
