import { createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { isRecord } from '../../core/json/is-record.ts';
import { jsonIn } from '../../core/json/json-in.ts';
import { httpUrl } from './http-url.ts';
import { type JsonPath, parseJsonPath } from './json-path.ts';

/** What verifies a signature: a key of ours, or whatever an identity provider publishes. */
export type JwtKey =
  | { readonly kind: 'fixed'; readonly algorithms: readonly string[]; readonly key: KeyObject | Uint8Array }
  | { readonly kind: 'url'; readonly url: string };

/** Where one session variable comes from. */
export type ClaimSource =
  | { readonly kind: 'path'; readonly text: string; readonly path: JsonPath; readonly initial: unknown }
  | { readonly kind: 'literal'; readonly value: unknown };

/** Where Hasura's claims are in a token. */
export type ClaimsPlace =
  | { readonly kind: 'namespace'; readonly name: string }
  | { readonly kind: 'path'; readonly text: string; readonly path: JsonPath }
  | { readonly kind: 'map'; readonly sources: ReadonlyMap<string, ClaimSource> };

/** Where a request carries its token. */
export type TokenPlace =
  | { readonly kind: 'authorization' }
  | { readonly kind: 'cookie'; readonly name: string }
  | { readonly kind: 'header'; readonly name: string };

/** One JWT secret of Hasura's configuration, checked. */
export interface JwtConfig {
  readonly key: JwtKey;
  readonly claims: ClaimsPlace;
  readonly stringified: boolean;
  readonly audience: readonly string[] | null;
  readonly issuer: string | null;
  readonly allowedSkewSeconds: number;
  readonly place: TokenPlace;
}

/** What administrators may read of a JWT secret: where a token has its claims. */
export interface JwtInfo {
  readonly claims_namespace: string;
  readonly claims_format: 'json' | 'stringified_json';
  readonly claims_map: Readonly<Record<string, unknown>> | null;
}

/** A JWT secret without its key, in Hasura's shape. */
export function jwtInfo({ claims, stringified }: JwtConfig): JwtInfo {
  const claims_format = stringified ? 'stringified_json' : 'json';
  switch (claims.kind) {
    case 'namespace':
      return { claims_namespace: claims.name, claims_format, claims_map: null };
    case 'path':
      return { claims_namespace: claims.text, claims_format, claims_map: null };
    default: {
      const entries = [...claims.sources].map(([name, source]) => [name, sourceInfo(source)]);
      return { claims_namespace: DEFAULT_NAMESPACE, claims_format, claims_map: Object.fromEntries(entries) };
    }
  }
}

function sourceInfo(source: ClaimSource): unknown {
  if (source.kind === 'literal') return source.value;
  return source.initial === undefined
    ? { path: source.text }
    : { path: source.text, default: source.initial };
}

/** The claim that lists the roles its bearer may take; no session variable. */
export const ALLOWED_ROLES = 'x-hasura-allowed-roles';
/** The claim with the role of a request that asks for none; no session variable. */
export const DEFAULT_ROLE = 'x-hasura-default-role';
const DEFAULT_NAMESPACE = 'https://hasura.io/jwt/claims';
const TYPES = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
  'Ed25519',
] as const;

const mapped = z.union([
  z.strictObject({ path: z.string(), default: z.unknown().optional() }),
  z.string(),
  z.array(z.string()),
]);

const shape = z.strictObject({
  type: z.enum(TYPES).optional(),
  key: z.string().min(1).optional(),
  jwk_url: httpUrl.optional(),
  claims_namespace: z.string().optional(),
  claims_namespace_path: z.string().optional(),
  claims_format: z.enum(['json', 'stringified_json']).optional(),
  claims_map: z.record(z.string(), mapped).optional(),
  audience: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
  issuer: z.string().optional(),
  allowed_skew: z.int().nonnegative().optional(),
  header: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('Authorization') }),
      z.strictObject({ type: z.literal('Cookie'), name: z.string().min(1) }),
      z.strictObject({ type: z.literal('CustomHeader'), name: z.string().min(1) }),
    ])
    .optional(),
});
type Shape = z.infer<typeof shape>;

/** Hasura's `JWT_SECRET` JSON. */
export const jwtSecret: z.ZodType<JwtConfig, string> = z
  .string()
  .transform((text, context) => reading(context, () => configOf(parsed(text))));

/** Hasura's `JWT_SECRETS`: a JSON list of them. */
export const jwtSecrets: z.ZodType<readonly JwtConfig[], string> = z.string().transform((text, context) =>
  reading(context, () => {
    const values = parsed(text);
    if (!Array.isArray(values) || values.length === 0)
      throw new TypeError('expected a JSON list of JWT secrets');
    return values.map(configOf);
  }),
);

function reading<T>(context: z.RefinementCtx, read: () => T): T {
  try {
    return read();
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof TypeError ? error.message : 'unreadable' });
    return z.NEVER;
  }
}

function parsed(text: string): unknown {
  const value = jsonIn(text);
  if (value === undefined) throw new TypeError('expected JSON');
  return value;
}

function configOf(value: unknown): JwtConfig {
  const checked = shape.safeParse(isRecord(value) ? withoutNulls(value) : value);
  if (!checked.success) {
    const places = checked.error.issues.map((issue) => issue.path.join('.') || issue.code).join(', ');
    throw new TypeError(`the JSON has unexpected members or values: ${places}`);
  }
  const secret = checked.data;
  return {
    key: keyOf(secret),
    claims: claimsOf(secret),
    stringified: secret.claims_format === 'stringified_json',
    audience: typeof secret.audience === 'string' ? [secret.audience] : (secret.audience ?? null),
    issuer: secret.issuer ?? null,
    allowedSkewSeconds: secret.allowed_skew ?? 0,
    place: placeOf(secret),
  };
}

/** A member that is null is as one that is not there, as in Hasura. */
function withoutNulls(secret: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(secret).filter(([, member]) => member !== null));
}

function keyOf(secret: Shape): JwtKey {
  const { type, key, jwk_url: url } = secret;
  if (key !== undefined && url !== undefined) throw new TypeError('key and jwk_url cannot both be present');
  if (url !== undefined) return { kind: 'url', url };
  if (key === undefined) throw new TypeError('one of key and jwk_url must be present');
  if (type === undefined) throw new TypeError('type must be present with key');
  const verifying = type.startsWith('HS') ? sharedKey(key, Number(type.slice(2))) : publicKey(key, type);
  return { kind: 'fixed', algorithms: algorithmsOf(type), key: verifying };
}

/**
 * What tokens may be signed with, by the kind of key alone, as in Hasura: what its own pages make for Auth0 says `RS512`, where
 * tokens are signed with `RS256`.
 */
function algorithmsOf(type: string): readonly string[] {
  switch (type.slice(0, 2)) {
    case 'HS':
      return ['HS256', 'HS384', 'HS512'];
    case 'RS':
      return ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
    case 'ES':
      return [type];
    default:
      return ['EdDSA', 'Ed25519'];
  }
}

function sharedKey(text: string, bits: number): Uint8Array {
  const key = new TextEncoder().encode(text);
  if (key.length * 8 < bits) throw new TypeError(`the key must have at least ${bits / 8} bytes`);
  return key;
}

function publicKey(pem: string, type: string): KeyObject {
  const key = readPublicKey(pem);
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const expected = CURVES.get(type) ?? (type.startsWith('RS') ? 'rsa' : 'ed25519');
  if ((namedCurve ?? key.asymmetricKeyType) !== expected)
    throw new TypeError(`the key is not one of type ${type}`);
  if (expected === 'rsa' && modulusLength < LEAST_RSA_BITS)
    throw new TypeError(`the key must have at least ${LEAST_RSA_BITS} bits`);
  return key;
}

/** As Node calls them. */
const CURVES: ReadonlyMap<string, string> = new Map([
  ['ES256', 'prime256v1'],
  ['ES384', 'secp384r1'],
  ['ES512', 'secp521r1'],
]);
/** What RFC 7518 asks of keys for `RS256` and the like. */
const LEAST_RSA_BITS = 2048;

function readPublicKey(pem: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch {
    throw new TypeError('the key is neither a PEM public key nor an X.509 certificate');
  }
}

/** A map goes before a namespace, as in Hasura. */
function claimsOf(secret: Shape): ClaimsPlace {
  const { claims_namespace: name, claims_namespace_path: text, claims_map: map } = secret;
  if (name !== undefined && text !== undefined)
    throw new TypeError('claims_namespace and claims_namespace_path cannot both be set');
  if (map !== undefined) return { kind: 'map', sources: claimSources(map) };
  if (text === undefined) return { kind: 'namespace', name: name ?? DEFAULT_NAMESPACE };
  return { kind: 'path', text, path: pathOf(text, 'claims_namespace_path') };
}

function claimSources(map: NonNullable<Shape['claims_map']>): ReadonlyMap<string, ClaimSource> {
  const sources = new Map(
    Object.entries(map).map(([name, source]) => claimSource(name.toLowerCase(), source)),
  );
  for (const required of [ALLOWED_ROLES, DEFAULT_ROLE]) {
    if (!sources.has(required)) throw new TypeError(`claims_map must name ${required}`);
  }
  return sources;
}

function claimSource(name: string, source: z.infer<typeof mapped>): readonly [string, ClaimSource] {
  const isLiteral = typeof source === 'string' || Array.isArray(source);
  const value = isLiteral ? source : (source.default ?? undefined);
  if (value !== undefined && !isClaimValue(name, value)) {
    const kind = name === ALLOWED_ROLES ? 'a list of roles' : 'a string';
    throw new TypeError(`claims_map must give ${name} ${kind}`);
  }
  if (isLiteral) return [name, { kind: 'literal', value }];
  const path = pathOf(source.path, 'claims_map');
  return [name, { kind: 'path', text: source.path, path, initial: value }];
}

/** Another would be refused in every token. */
function isClaimValue(name: string, value: unknown): boolean {
  return name === ALLOWED_ROLES ? isTextList(value) : typeof value === 'string';
}

/** Whether a value is a list of texts, as that of the allowed roles must be. */
export function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function pathOf(text: string, member: string): JsonPath {
  const path = parseJsonPath(text);
  if (path === null) throw new TypeError(`${member} holds a text that is not a JSON path`);
  return path;
}

function placeOf(secret: Shape): TokenPlace {
  const { header } = secret;
  switch (header?.type) {
    case 'Cookie':
      return { kind: 'cookie', name: header.name };
    case 'CustomHeader':
      return { kind: 'header', name: header.name.toLowerCase() };
    default:
      return { kind: 'authorization' };
  }
}
