import type { KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { Authenticator } from '../../../../src/http/auth/authenticator.ts';
import { JwtVerifier } from '../../../../src/http/auth/jwt.ts';
import { jwtSecret } from '../../../../src/http/auth/jwt-config.ts';
import type { Session } from '../../../../src/http/auth/session.ts';

/** A shared secret. */
export const KEY = 'a-secret-of-more-than-thirty-two-bytes';
/** Where claims are by default. */
export const NAMESPACE = 'https://hasura.io/jwt/claims';
/** Claims that are let in. */
export const CLAIMS = {
  'x-hasura-default-role': 'user',
  'x-hasura-allowed-roles': ['user', 'editor'],
  'X-Hasura-User-Id': '7',
};
/** The time it is at first. */
export const NOW_S = 1_900_000_000;

/** The time it is. */
export const clock = { nowMs: NOW_S * 1000 };

/** What verifies tokens by these secrets. */
export function verifier(...secrets: object[]): JwtVerifier {
  return new JwtVerifier(
    secrets.map((secret) => jwtSecret.parse(JSON.stringify(secret))),
    () => clock.nowMs,
  );
}

/** Who lets requests in, with an admin secret, and with what is given. */
export function authenticator(
  over: Partial<ConstructorParameters<typeof Authenticator>[0]> = {},
): Authenticator {
  return new Authenticator({
    adminSecrets: ['s3cret', 'the one that follows it'],
    unauthorizedRole: null,
    jwt: null,
    hook: null,
    ...over,
  });
}

/** A token with these claims that is good for an hour; what is not said of its header but the algorithm is left out. */
export async function token(
  claims: object,
  key: Uint8Array | KeyObject = new TextEncoder().encode(KEY),
  header: string | { readonly alg: string; readonly kid: string } = 'HS256',
): Promise<string> {
  return new SignJWT({ ...claims })
    .setProtectedHeader(typeof header === 'string' ? { alg: header } : header)
    .setExpirationTime(NOW_S + 3600)
    .sign(key);
}

/** Why it is not let in. */
export async function refusal(work: () => Session | Promise<Session>): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('the request was let in');
}
