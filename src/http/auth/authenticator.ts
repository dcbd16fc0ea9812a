import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { ADMIN, type RoleName } from '../../core/names.ts';
import { RefusedError } from '../error-reply.ts';
import { headerOf } from '../headers.ts';
import type { AskedFor, AuthHook } from './auth-hook.ts';
import type { JwtVerifier } from './jwt.ts';
import { digestOf } from './secrets.ts';
import { type Session, sessionOf } from './session.ts';
import { ROLE_HEADER, SECRET_HEADERS, variablesOf } from './session-variables.ts';

/** What can make a session of a request; a part that is null does not. */
export interface AuthOptions {
  readonly adminSecrets: readonly string[];
  readonly unauthorizedRole: RoleName | null;
  readonly jwt: JwtVerifier | null;
  readonly hook: AuthHook | null;
}

const NOTHING_ELSE: AskedFor = { names: () => [], body: () => null };

/** Turns a request's headers into a session, in Hasura's order: admin secret, then token or hook, then the unauthorized role. */
export class Authenticator {
  readonly #options: AuthOptions;
  readonly #secretDigests: readonly Buffer[];

  constructor(options: AuthOptions) {
    this.#options = options;
    this.#secretDigests = options.adminSecrets.map(digestOf);
  }

  /** Whether anything at all stands between a request and the admin role. */
  get secured(): boolean {
    return this.#secretDigests.length > 0;
  }

  /** Whether a webhook is asked who callers are. */
  get asksHook(): boolean {
    return this.#options.hook !== null;
  }

  /** Throws a RefusedError with Hasura's message when the request may not come in; a hook is asked with what it is asked for. */
  authenticate(headers: IncomingHttpHeaders, asked: AskedFor = NOTHING_ELSE): Session | Promise<Session> {
    if (!this.secured) return trusted(headers);
    const secret = headerOf(headers, SECRET_HEADERS[0]) ?? headerOf(headers, SECRET_HEADERS[1]);
    if (secret !== undefined) {
      if (this.isAdminSecret(secret)) return trusted(headers);
      throw new RefusedError(401, 'access-denied', 'invalid "x-hasura-admin-secret"/"x-hasura-access-key"');
    }
    const { hook, jwt } = this.#options;
    if (hook !== null) return hook.session(headers, asked);
    if (jwt === null) return this.#unauthorized(headers, missingSecret);
    const tokens = jwt.tokensOf(headers);
    return tokens.length > 0 ? jwt.session(tokens, headers) : this.#unauthorized(headers, missingToken);
  }

  /** Compares in a time that does not depend on where texts differ. */
  isAdminSecret(given: string): boolean {
    const found = digestOf(given);
    let equal = false;
    for (const expected of this.#secretDigests) equal = timingSafeEqual(found, expected) || equal;
    return equal;
  }

  #unauthorized(headers: IncomingHttpHeaders, refusal: () => RefusedError): Session {
    if (this.#options.unauthorizedRole === null) throw refusal();
    return sessionOf(this.#options.unauthorizedRole, variablesOf(headers));
  }
}

function trusted(headers: IncomingHttpHeaders): Session {
  const variables = variablesOf(headers);
  return sessionOf(variables.get(ROLE_HEADER) || ADMIN, variables);
}

function missingSecret(): RefusedError {
  const message = 'x-hasura-admin-secret/x-hasura-access-key required, but not found';
  return new RefusedError(401, 'access-denied', message);
}

function missingToken(): RefusedError {
  const message = "Missing 'Authorization' or 'Cookie' header in JWT authentication mode";
  return new RefusedError(400, 'invalid-headers', message);
}
