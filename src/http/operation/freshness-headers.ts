import type { IncomingHttpHeaders } from 'node:http';
import { NearjoinError } from '../../core/errors.ts';
import { FALLBACKS, type Fallback } from '../../core/fallback.ts';
import type { SourceName } from '../../core/names.ts';
import { isComparable, later, parseToken, type Token } from '../../core/position/token.ts';
import { type FreshnessDirective, freshnessPath } from '../../graphql/freshness-directive.ts';
import type { FreshnessRequest } from '../../read/freshness.ts';
import { headerOf } from '../headers.ts';

const MAX_MS = 2_147_483_647;
const MALFORMED_TOKEN = 'expected source:lsn pairs like pg2:0/16B3748';

/** Nothing asked for: the relationships' and the server's defaults hold. */
const NO_WISH: FreshnessRequest = {
  noCache: false,
  maxStalenessMs: null,
  fallback: null,
  tokens: new Map(),
};

/** Reads the freshness a request's headers ask for; a malformed one of our own headers is an `invalid-headers` error. */
export function freshnessOf(headers: IncomingHttpHeaders): FreshnessRequest {
  const control = headerOf(headers, 'cache-control');
  const staleness = headerOf(headers, 'x-nearjoin-max-staleness');
  const fallback = headerOf(headers, 'x-nearjoin-fallback');
  const token = headerOf(headers, 'x-nearjoin-token');
  if (control === undefined && staleness === undefined && fallback === undefined && token === undefined)
    return NO_WISH;
  const { noCache, maxAgeMs } = readCacheControl(control ?? '');
  return {
    noCache,
    maxStalenessMs: staleness === undefined ? maxAgeMs : readStaleness(staleness),
    fallback: fallback === undefined ? null : readFallback(fallback),
    tokens: token === undefined ? NO_WISH.tokens : readTokens(token),
  };
}

/** The directive's members win over the headers'; a bound in the directive also overrules `no-cache`. */
export function withDirective(
  asked: FreshnessRequest,
  directive: FreshnessDirective | null,
): FreshnessRequest {
  if (directive === null) return asked;
  return {
    noCache: directive.maxStalenessMs === null && asked.noCache,
    maxStalenessMs: directive.maxStalenessMs ?? asked.maxStalenessMs,
    fallback: directive.fallback ?? asked.fallback,
    tokens: directive.token === null ? asked.tokens : directiveTokens(directive.token),
  };
}

/**
 * The two Cache-Control directives that concern us; others are ignored, as RFC 9111 wants. Of several ages the least counts:
 * proxies add theirs.
 */
export function readCacheControl(header: string): {
  readonly noCache: boolean;
  readonly maxAgeMs: number | null;
} {
  let noCache = false;
  let maxAgeMs: number | null = null;
  for (const part of header.split(',')) {
    const [name = '', value = ''] = part.split('=', 2).map((text) => text.trim());
    if (name.toLowerCase() === 'no-cache') noCache = true;
    const seconds = /^"?(\d+)"?$/.exec(value)?.[1];
    if (name.toLowerCase() === 'max-age' && seconds !== undefined)
      maxAgeMs = Math.min(Number(seconds) * 1000, maxAgeMs ?? MAX_MS);
  }
  return { noCache, maxAgeMs };
}

/**
 * Reads `pg2:0/16B3748,pg3:1/0`, with or without the history as in `pg2:0/16B3748@7576.1`; names are percent-encoded where
 * they hold a comma, a colon or anything not ASCII. Of several positions of one target the furthest counts.
 */
export function readTokens(text: string): ReadonlyMap<SourceName, Token> {
  const tokens = tokensOf(text);
  if (tokens === null) throw badHeader('X-Nearjoin-Token', MALFORMED_TOKEN);
  return tokens;
}

function directiveTokens(text: string): ReadonlyMap<SourceName, Token> {
  const tokens = tokensOf(text);
  if (tokens !== null) return tokens;
  throw new NearjoinError('validation-failed', MALFORMED_TOKEN, { path: freshnessPath('token') });
}

/** Null when the text is not a list of `source:lsn` pairs. */
function tokensOf(text: string): ReadonlyMap<SourceName, Token> | null {
  const tokens = new Map<SourceName, Token>();
  for (const part of text.split(',').map((item) => item.trim())) {
    if (part === '') continue;
    const colon = part.lastIndexOf(':');
    const name = decodedName(part.slice(0, colon).trim());
    const token = parseToken(part.slice(colon + 1).trim());
    if (colon < 1 || name === null || token === null) return null;
    const known = tokens.get(name) ?? token;
    if (!isComparable(known, token)) throw ofTwoHistories(name);
    tokens.set(name, later(known, token));
  }
  return tokens;
}

function readStaleness(text: string): number {
  if (/^\d{1,15}$/.test(text.trim())) return Math.min(Number(text), MAX_MS);
  throw badHeader('X-Nearjoin-Max-Staleness', 'expected a whole number of milliseconds');
}

function readFallback(text: string): Fallback {
  const found = FALLBACKS.find((fallback) => fallback === text.trim().toLowerCase());
  if (found !== undefined) return found;
  throw badHeader('X-Nearjoin-Fallback', `expected one of ${FALLBACKS.join(', ')}`);
}

function decodedName(text: string): SourceName | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** One of them has ended: no answer contains both. */
function ofTwoHistories(target: SourceName): NearjoinError {
  return new NearjoinError(
    'position-unknown',
    `the token's positions on "${target}" belong to different histories`,
  );
}

function badHeader(name: string, problem: string): NearjoinError {
  return new NearjoinError('invalid-headers', `${name}: ${problem}`);
}
