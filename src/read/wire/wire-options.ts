import type { HistoryName } from '../../core/position/token.ts';
import type { Turns } from '../../core/waiting/turns.ts';
import type { RowMemory } from './incoming.ts';
import type { SilenceOptions } from './silence.ts';

/** What a session said of its server when it was set up. */
export interface SessionFacts {
  /** Which history the server writes; null when it was not asked, or does not say. */
  readonly history: HistoryName | null;
  /** Whether the session can make temporary tables. */
  readonly makesTemps: boolean;
}

/** What a connection needs besides its socket. A session that does not end a statement so long after it was asked to is given up too. */
export interface WireOptions extends RowMemory, SessionFacts, SilenceOptions {
  /** Prepared statements kept; each costs the server tens of kilobytes. */
  readonly statementLimit: number;
  /** Asks the server, over another connection, to end what this session runs. Resolves when the server has heard it. */
  readonly cancel: () => Promise<void>;
  /** Cancel requests of all sessions take turns: a storm of clients that go away is none of connections. */
  readonly cancels: Turns;
  /** Told when a request has ended, or all have with the session. */
  readonly onAnswered: () => void;
}
