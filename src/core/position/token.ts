import { formatLsn, isLsnText, type Lsn, maxLsn, parseLsn } from './lsn.ts';

/** Names one history of a target, `<system identifier>.<timeline>`: positions of different histories cannot be compared. */
export type HistoryName = string;

/** A position of a target, and which of its histories it belongs to, where that is known. */
export interface Token {
  readonly position: Lsn;
  readonly history: HistoryName | null;
}

const HISTORY = /^\d{1,20}\.\d{1,10}$/;

/** The history that a server with this system identifier writes on this timeline. */
export function historyName(systemId: string, timeline: number): HistoryName {
  return `${systemId}.${timeline}`;
}

/** Reads `0/16B3748`, or `0/16B3748@<history>`; null for anything else. */
export function parseToken(text: string): Token | null {
  const [lsn = '', history = null, ...rest] = text.split('@');
  if (!isLsnText(lsn) || rest.length > 0 || (history !== null && !HISTORY.test(history))) return null;
  return { position: parseLsn(lsn), history };
}

/** The text that `parseToken` reads. */
export function formatToken({ position, history }: Token): string {
  return history === null ? formatLsn(position) : `${formatLsn(position)}@${history}`;
}

/** The one of two that contains the other; of different histories the second, which was heard of last. */
export function later(known: Token, heard: Token): Token {
  if (!isComparable(known, heard)) return heard;
  const position = maxLsn(known.position, heard.position);
  return { position, history: heard.history ?? known.history };
}

/** False for positions that are known to be of different histories. */
export function isComparable(a: Pick<Token, 'history'>, b: Pick<Token, 'history'>): boolean {
  return a.history === null || b.history === null || a.history === b.history;
}

/** Whether everything up to the token is contained in what is complete up to `reached`. */
export function contains(reached: Token, token: Token): boolean {
  return isComparable(reached, token) && reached.position >= token.position;
}

/** Whether a history came after another on the same server: what only the older one had is lost for good. */
export function isSuccessor(history: HistoryName, older: HistoryName): boolean {
  const [[system, timeline], [oldSystem, oldTimeline]] = [history.split('.'), older.split('.')];
  return system === oldSystem && Number(timeline) > Number(oldTimeline);
}
