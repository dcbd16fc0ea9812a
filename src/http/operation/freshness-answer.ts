import type { SourceName } from '../../core/names.ts';
import { formatLsn } from '../../core/position/lsn.ts';
import { contains, formatToken, later, type Token } from '../../core/position/token.ts';
import type { TargetReport } from '../../read/freshness.ts';

/** RFC 8941's bare token. */
const TOKEN = /^[A-Za-z*][A-Za-z0-9:/!#$%&'*+\-.^_`|~]*$/;

/** The `Cache-Status` header (RFC 9211), one member per target; null when no target was touched. */
export function cacheStatus(reports: readonly TargetReport[]): string | null {
  if (reports.length === 0) return null;
  return onePerTarget(reports).map(member).join(', ');
}

/**
 * The `X-Nearjoin-Token` header: positions the answer contains, and those that the headers asked for of targets it does not
 * read; null when empty. It contains less than they asked for where a directive's token won over theirs.
 */
export function answerToken(
  reports: readonly TargetReport[],
  asked: ReadonlyMap<SourceName, Token>,
  namesHistories: boolean,
): string | null {
  const tokens = new Map([...asked, ...containedIn(reports, asked)]);
  if (tokens.size === 0) return null;
  return [...tokens]
    .map(([target, token]) => {
      const text = namesHistories ? formatToken(token) : formatLsn(token.position);
      return `${encodedName(target)}:${text}`;
    })
    .join(',');
}

function containedIn(
  reports: readonly TargetReport[],
  asked: ReadonlyMap<SourceName, Token>,
): ReadonlyMap<SourceName, Token> {
  const tokens = new Map<SourceName, Token>();
  for (const { target, position, history } of reports) {
    if (position === null) continue;
    const reached = { position, history };
    const known = tokens.get(target);
    tokens.set(target, known === undefined ? placed(reached, asked.get(target)) : later(known, reached));
  }
  return tokens;
}

/** The position reached; when it names no history, that of the token it contains. */
function placed(reached: Token, token: Token | undefined): Token {
  return token !== undefined && contains(reached, token) ? later(token, reached) : reached;
}

/** What `extensions.nearjoin` says: per target, its route and why. */
export function nearjoinExtension(reports: readonly TargetReport[]): Record<SourceName, unknown> {
  return Object.fromEntries(
    onePerTarget(reports).map((report) => [
      report.target,
      {
        route: report.route,
        reason: report.detail,
        staleness_ms: report.stalenessMs,
        lsn: report.position === null ? null : formatLsn(report.position),
      },
    ]),
  );
}

/** A target read twice (two root databases, or a batch) is reported by its worse route. */
function onePerTarget(reports: readonly TargetReport[]): readonly TargetReport[] {
  if (reports.length === 1) return reports;
  const worst = new Map<SourceName, TargetReport>();
  for (const report of reports) {
    const known = worst.get(report.target);
    if (known === undefined || isWorse(report, known)) worst.set(report.target, report);
  }
  return [...worst.values()];
}

function isWorse(report: TargetReport, known: TargetReport): boolean {
  if (report.route !== known.route) return report.route === 'live';
  return (report.stalenessMs ?? Infinity) > (known.stalenessMs ?? Infinity);
}

function member(report: TargetReport): string {
  const name = identifier(report.target);
  if (report.route === 'live') return `${name};fwd=${report.reason}`;
  const age = report.stalenessMs === null ? '' : `staleness_ms=${report.stalenessMs}`;
  const lsn = report.position === null ? '' : `lsn=${formatLsn(report.position)}`;
  if (age === '' && lsn === '') return `${name};hit`;
  return `${name};hit;detail="${age}${age === '' || lsn === '' ? '' : ' '}${lsn}"`;
}

/** A target's name as a structured field: bare where the grammar allows it, else quoted, never outside ASCII. */
function identifier(target: SourceName): string {
  const name = `nearjoin-${target}`;
  if (TOKEN.test(name)) return name;
  const ascii = name.replace(/[^\x20-\x7e]+/gu, percentEncoded);
  return `"${ascii.replace(/["\\]/g, '\\$&')}"`;
}

function encodedName(target: SourceName): string {
  return target.replace(/[^A-Za-z0-9_.~-]+/gu, percentEncoded);
}

function percentEncoded(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');
}
