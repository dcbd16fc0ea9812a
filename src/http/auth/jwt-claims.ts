import type { JWTPayload } from 'jose';
import { isRecord } from '../../core/json/is-record.ts';
import { jsonIn } from '../../core/json/json-in.ts';
import { jsonKind } from '../../core/json/json-kind.ts';
import type { RoleName } from '../../core/names.ts';
import { RefusedError } from '../error-reply.ts';
import { atJsonPath } from './json-path.ts';
import {
  ALLOWED_ROLES,
  type ClaimSource,
  type ClaimsPlace,
  DEFAULT_ROLE,
  isTextList,
  type JwtConfig,
} from './jwt-config.ts';
import { isSessionVariable } from './session-variables.ts';

/** What a verified token says about its bearer. */
export interface HasuraClaims {
  readonly defaultRole: RoleName;
  readonly allowedRoles: readonly RoleName[];
  readonly variables: ReadonlyMap<string, string>;
}

/** Reads Hasura's claims out of a token's payload; throws a RefusedError with Hasura's messages. */
export function claimsOf(payload: JWTPayload, config: JwtConfig): HasuraClaims {
  const claims = lowerCased(rawClaims(payload, config));
  const defaultRole = required(claims, DEFAULT_ROLE);
  const allowedRoles = required(claims, ALLOWED_ROLES);
  if (!isTextList(allowedRoles))
    throw invalid(mismatch(ALLOWED_ROLES, 'should be a list of roles', 'Array', allowedRoles));
  if (typeof defaultRole !== 'string') {
    throw invalid(mismatch(DEFAULT_ROLE, 'should be a single role name', 'String', defaultRole));
  }
  const variables = new Map<string, string>();
  for (const [name, value] of claims) {
    if (name === ALLOWED_ROLES || name === DEFAULT_ROLE || !isSessionVariable(name)) continue;
    if (typeof value !== 'string') throw invalid(`x-hasura-* claims: ${name}: ${expected('String', value)}`);
    variables.set(name, value);
  }
  return { defaultRole, allowedRoles, variables };
}

function rawClaims(payload: JWTPayload, config: JwtConfig): Record<string, unknown> {
  const { claims } = config;
  if (claims.kind === 'map') return mappedClaims(payload, claims.sources);
  const found = claims.kind === 'namespace' ? payload[claims.name] : atJsonPath(payload, claims.path);
  if (found === undefined) throw invalid(notFound(claims));
  if (!config.stringified) {
    if (isRecord(found)) return found;
    throw invalid('expecting a json object when claims_format is json');
  }
  if (typeof found !== 'string') throw invalid('expecting a string when claims_format is stringified_json');
  const parsed = jsonIn(found);
  if (isRecord(parsed)) return parsed;
  throw invalid('expecting stringified json in the claims when claims_format is stringified_json');
}

function mappedClaims(
  payload: JWTPayload,
  sources: ReadonlyMap<string, ClaimSource>,
): Record<string, unknown> {
  const claims: Record<string, unknown> = {};
  for (const [name, source] of sources) {
    const value = source.kind === 'literal' ? source.value : mappedClaim(payload, source);
    const role = name === ALLOWED_ROLES || name === DEFAULT_ROLE;
    if (value === undefined && !role) throw invalid(`JWT claim from claims_map, ${name} not found`);
    if (value !== undefined) claims[name] = value;
  }
  return claims;
}

/** A claim that is null is there: its default is for one that is not. */
function mappedClaim(
  payload: JWTPayload,
  { path, initial }: Extract<ClaimSource, { kind: 'path' }>,
): unknown {
  const found = atJsonPath(payload, path);
  return found === undefined ? initial : found;
}

function lowerCased(claims: Record<string, unknown>): Map<string, unknown> {
  return new Map(Object.entries(claims).map(([name, value]) => [name.toLowerCase(), value]));
}

function required(claims: ReadonlyMap<string, unknown>, name: string): unknown {
  if (claims.has(name)) return claims.get(name);
  throw new RefusedError(400, 'jwt-missing-role-claims', `JWT claim does not contain ${name}`);
}

function notFound(claims: Exclude<ClaimsPlace, { kind: 'map' }>): string {
  return claims.kind === 'namespace'
    ? `claims key: '${claims.name}' not found`
    : `claims not found at claims_namespace_path: '${claims.text}'`;
}

function mismatch(claim: string, hint: string, wanted: string, value: unknown): string {
  return `invalid ${claim}; ${hint}: ${expected(wanted, value)}`;
}

function expected(wanted: string, value: unknown): string {
  const type = wanted === 'Array' ? '[]' : 'Text';
  return `parsing ${type} failed, expected ${wanted}, but encountered ${jsonKind(value)}`;
}

function invalid(message: string): RefusedError {
  return new RefusedError(400, 'jwt-invalid-claims', message);
}
