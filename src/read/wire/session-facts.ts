import type { HistoryName } from '../../core/position/token.ts';

/** What a session said of its server when it was set up. */
export interface SessionFacts {
  /** Which history the server writes; null when it was not asked, or does not say. */
  readonly history: HistoryName | null;
  /** Whether the session can make temporary tables. */
  readonly makesTemps: boolean;
}
