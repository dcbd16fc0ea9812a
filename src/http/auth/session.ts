import { ADMIN, type RoleName } from '../../core/names.ts';
import { ROLE_HEADER } from './session-variables.ts';

/** Who asks: the role permissions are looked up by, and the variables their rules may use (lower-case names). */
export interface Session {
  readonly role: RoleName;
  readonly variables: ReadonlyMap<string, string>;
  readonly isAdmin: boolean;
  /** Milliseconds since 1970 after which the session no longer holds; null when it does not end by itself. */
  readonly expiresAtMs: number | null;
  /** What the auth hook wants the caller to be given, as `Set-Cookie` headers. */
  readonly cookies: readonly string[];
}

/** Whether what holds until then holds no more. */
export function hasEnded({ expiresAtMs }: Pick<Session, 'expiresAtMs'>, nowMs: number): boolean {
  return expiresAtMs !== null && expiresAtMs <= nowMs;
}

/** Builds a session; the role is a variable too. */
export function sessionOf(
  role: RoleName,
  variables: Map<string, string>,
  expiresAtMs: number | null = null,
  cookies: readonly string[] = [],
): Session {
  variables.set(ROLE_HEADER, role);
  return { role, variables, isAdmin: role === ADMIN, expiresAtMs, cookies };
}
