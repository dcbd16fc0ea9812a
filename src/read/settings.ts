import type { Fallback } from '../core/fallback.ts';

/** Limits and defaults of the read lane. */
export interface ReadSettings {
  /** Bound on staleness where neither request nor relationship sets one. */
  readonly maxStalenessMs: number;
  readonly fallback: Fallback;
  /** bigint, numeric and double precision as JSON strings. */
  readonly stringifyNumbers: boolean;
  /** Sessions per database that share requests. */
  readonly poolSize: number;
  /** Sessions for live reads: of a target, and of a source for each of its targets. */
  readonly livePoolSize: number;
  readonly connectTimeoutMs: number;
  /** Of a session that is silent for so long the server is asked whether it works for it. */
  readonly silenceMs: number;
  readonly statementTimeoutMs: number;
  /** Longest answer of one database. */
  readonly resultLimitBytes: number;
  readonly preparedStatements: number;
  /** Most keys, and most rows found by a filter, that one place of a live answer may need. */
  readonly liveKeyLimit: number;
  /** Most rows fetched live for one place. */
  readonly liveRowLimit: number;
  /** Fetched rows of one place that stay parameters; more go to a temporary table with an index. */
  readonly liveInlineRows: number;
  /** Parent rows looked at to find out cheaply whether their keys are few. */
  readonly liveProbeRows: number;
  /** How long `wait` waits for the cache. */
  readonly waitMs: number;
  /** How often the state of the caches is read. */
  readonly pollMs: number;
}

/** What holds unless the configuration says otherwise. */
export const DEFAULT_READ_SETTINGS: ReadSettings = {
  maxStalenessMs: 1000,
  fallback: 'live',
  stringifyNumbers: false,
  poolSize: 4,
  livePoolSize: 4,
  connectTimeoutMs: 5000,
  silenceMs: 5000,
  statementTimeoutMs: 60_000,
  resultLimitBytes: 64 * 1024 * 1024,
  preparedStatements: 250,
  liveKeyLimit: 10_000,
  liveRowLimit: 100_000,
  liveInlineRows: 150,
  liveProbeRows: 1000,
  waitMs: 5000,
  pollMs: 250,
};
