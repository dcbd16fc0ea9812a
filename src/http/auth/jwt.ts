import type { IncomingHttpHeaders } from 'node:http';
import {
  decodeJwt,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
  type KeyInput,
} from 'jose';
import { LRUCache } from 'lru-cache';
import { RefusedError } from '../error-reply.ts';
import { headerOf } from '../headers.ts';
import { claimsOf, type HasuraClaims } from './jwt-claims.ts';
import type { JwtConfig, TokenPlace } from './jwt-config.ts';
import { publishedKeys } from './key-set.ts';
import { hasEnded, type Session, sessionOf } from './session.ts';
import { ROLE_HEADER } from './session-variables.ts';

/** Signature algorithms a published key set may use; shared secrets never come from a URL. */
const PUBLISHED_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** A verified token is believed this long before it is verified again, so a withdrawn key is noticed. */
const BELIEVED_MS = 60_000;
const REMEMBERED_TOKENS = 10_000;

/** A token as found in a request, and the configuration it is for. */
export interface FoundToken {
  readonly issuer: Issuer;
  readonly token: string;
}

interface Issuer {
  readonly config: JwtConfig;
  readonly verify: (token: string) => Promise<JWTPayload>;
  readonly verified: LRUCache<string, VerifiedToken>;
}

interface VerifiedToken {
  readonly claims: HasuraClaims;
  readonly expiresAtMs: number | null;
}

/** Verifies tokens and turns their claims into sessions. */
export class JwtVerifier {
  readonly #issuers: readonly Issuer[];
  readonly #nowMs: () => number;

  constructor(configs: readonly JwtConfig[], nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#issuers = configs.map((config) => ({
      config,
      verify: verifierOf(config, nowMs),
      verified: new LRUCache({ max: REMEMBERED_TOKENS, ttl: BELIEVED_MS }),
    }));
  }

  /** The tokens a request carries, one per configuration that finds one; throws when a header is there but malformed. */
  tokensOf(headers: IncomingHttpHeaders): readonly FoundToken[] {
    const found: FoundToken[] = [];
    for (const issuer of this.#issuers) {
      const token = tokenAt(headers, issuer.config.place);
      if (token !== null) found.push({ issuer, token });
    }
    return found;
  }

  /** The session of the first configuration that accepts its token; else the first refusal by one that the token may be for. */
  async session(tokens: readonly FoundToken[], headers: IncomingHttpHeaders): Promise<Session> {
    let refusal: unknown;
    for (const found of tokens.filter(mayBeFor)) {
      try {
        return roleSession(await this.#verified(found), headers);
      } catch (error) {
        refusal ??= error;
      }
    }
    throw refusal ?? invalidJwt('JWTNotInIssuer');
  }

  async #verified({ issuer, token }: FoundToken): Promise<VerifiedToken> {
    const known = issuer.verified.get(token);
    if (known !== undefined && !hasEnded(known, this.#nowMs())) return known;
    const payload = await issuer.verify(token);
    const expiresAtMs =
      payload.exp === undefined ? null : (payload.exp + issuer.config.allowedSkewSeconds) * 1000;
    const verified = { claims: claimsOf(payload, issuer.config), expiresAtMs };
    issuer.verified.set(token, verified);
    return verified;
  }
}

/**
 * Whether a token is none of another issuer. Its word is taken for that before anything is verified: one provider's tokens
 * neither wait for another's keys nor are refused in its words.
 */
function mayBeFor({ issuer: { config, verified }, token }: FoundToken): boolean {
  if (config.issuer === null || verified.has(token)) return true;
  try {
    return decodeJwt(token).iss === config.issuer;
  } catch {
    return true;
  }
}

function roleSession({ claims, expiresAtMs }: VerifiedToken, headers: IncomingHttpHeaders): Session {
  const role = headerOf(headers, ROLE_HEADER) || claims.defaultRole;
  if (!claims.allowedRoles.includes(role)) {
    throw new RefusedError(400, 'access-denied', 'Your requested role is not in allowed roles');
  }
  return sessionOf(role, new Map(claims.variables), expiresAtMs);
}

function verifierOf(config: JwtConfig, nowMs: () => number): Issuer['verify'] {
  const { key } = config;
  const options = {
    algorithms: key.kind === 'url' ? PUBLISHED_ALGORITHMS : [...key.algorithms],
    clockTolerance: config.allowedSkewSeconds,
    ...(config.audience === null ? {} : { audience: [...config.audience] }),
    ...(config.issuer === null ? {} : { issuer: config.issuer }),
  };
  const verifying = key.kind === 'url' ? publishedKeys(new URL(key.url), nowMs) : key.key;
  return async (token) => {
    const currentDate = new Date(nowMs());
    try {
      const payload = await payloadOf(token, verifying, { ...options, currentDate });
      refuseFromTheFuture(payload, currentDate.getTime() + config.allowedSkewSeconds * 1000);
      return payload;
    } catch (error) {
      throw refusalOf(error);
    }
  };
}

async function payloadOf(
  token: string,
  verifying: KeyInput | JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, verifying, options)).payload;
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) return payloadByAny(error, token, options);
    throw error;
  }
}

/** A token that does not say which of several keys it was signed with is of one of them, as while keys are exchanged. */
async function payloadByAny(
  keys: errors.JWKSMultipleMatchingKeys,
  token: string,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  for await (const key of keys) {
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
    }
  }
  throw new errors.JWSSignatureVerificationFailed();
}

/** The library looks at the time of issue only where the age of tokens is limited. */
function refuseFromTheFuture(payload: JWTPayload, untilMs: number): void {
  if (payload.iat === undefined || payload.iat * 1000 <= untilMs) return;
  throw new errors.JWTClaimValidationFailed('"iat" is in the future', payload, 'iat', 'check_failed');
}

function tokenAt(headers: IncomingHttpHeaders, place: TokenPlace): string | null {
  if (place.kind === 'cookie') return cookieOf(headerOf(headers, 'cookie') ?? '', place.name);
  const name = place.kind === 'header' ? place.name : 'authorization';
  const value = headerOf(headers, name);
  if (value === undefined) return null;
  const bearer = /^Bearer +(\S+) *$/i.exec(value)?.[1];
  if (bearer !== undefined) return bearer;
  if (place.kind === 'header' && /^\S+$/.test(value)) return value;
  throw new RefusedError(400, 'invalid-headers', 'Malformed Authorization header');
}

function cookieOf(header: string, name: string): string | null {
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return null;
}

/** The library's errors in the words of Hasura's. */
function refusalOf(error: unknown): RefusedError {
  if (!(error instanceof errors.JOSEError) || OF_THE_KEYS.has(error.code)) {
    return new RefusedError(500, 'unexpected', 'could not fetch the JWK set', { cause: error });
  }
  return invalidJwt(reasonOf(error), error);
}

/** What is no key set, did not come in time, or came with another status: no fault of the token's. */
const OF_THE_KEYS: ReadonlySet<string> = new Set([
  errors.JOSEError.code,
  errors.JWKSInvalid.code,
  errors.JWKSTimeout.code,
]);

function invalidJwt(reason: string, cause?: unknown): RefusedError {
  return new RefusedError(400, 'invalid-jwt', `Could not verify JWT: ${reason}`, { cause });
}

function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'JWTExpired';
  if (error instanceof errors.JWTClaimValidationFailed) return claimReason(error.claim);
  if (error instanceof errors.JWTInvalid || error instanceof errors.JWSInvalid)
    return 'JWSError malformed token';
  return 'JWSError JWSInvalidSignature';
}

function claimReason(claim: string): string {
  switch (claim) {
    case 'aud':
      return 'JWTNotInAudience';
    case 'iss':
      return 'JWTNotInIssuer';
    case 'nbf':
      return 'JWTNotYetValid';
    case 'iat':
      return 'JWTIssuedAtFuture';
    default:
      return `invalid claim ${claim}`;
  }
}
