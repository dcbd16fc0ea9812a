import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { NearjoinError } from '../core/errors.ts';
import type { SslConfiguration } from './model.ts';

type Env = Readonly<Record<string, string | undefined>>;
type Setting = 'sslrootcert' | 'sslcert' | 'sslkey' | 'sslpassword';

/** What is understood, the stricter the later; any other word the client library would take for `verify-full`. */
const SSL_MODES = ['disable', 'prefer', 'no-verify', 'require', 'verify-ca', 'verify-full'];

/** What names files in a URL. */
const FILES = ['sslrootcert', 'sslcert', 'sslkey'];

/**
 * A URL with what Hasura's `ssl_configuration` says of it. Of two modes the stricter holds; certificates and keys stand in it
 * themselves, for `clientConfig`.
 */
export function withSsl(url: string, ssl: SslConfiguration, env: Env): string {
  const address = new URL(url);
  const { searchParams: given } = address;
  const mode = stricter(sslMode(given), checkedMode(ssl.sslmode ?? null, 'ssl_configuration.sslmode'));
  if (mode !== null) given.set('sslmode', mode);
  given.delete('uselibpqcompat'); // was said of the mode before
  const texts = textsOf(ssl, env);
  const file = texts.size === 0 ? undefined : FILES.find((name) => given.has(name));
  if (file !== undefined)
    throw wrong(
      `the ${file} of the database URL`,
      'cannot stand beside the certificates of ssl_configuration',
    );
  check(texts);
  for (const [name, text] of texts) given.set(name, text);
  return address.href;
}

/** The mode a URL asks for: the last one counts, as in both libraries. */
export function sslMode(given: URLSearchParams): string | null {
  return checkedMode(given.getAll('sslmode').at(-1) ?? null, 'the sslmode of the database URL');
}

function checkedMode(mode: string | null, what: string): string | null {
  if (mode === null || SSL_MODES.includes(mode)) return mode;
  throw wrong(what, `must be one of ${SSL_MODES.join(', ')}`);
}

function stricter(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return SSL_MODES.indexOf(one) > SSL_MODES.indexOf(other) ? one : other;
}

function textsOf(ssl: SslConfiguration, env: Env): ReadonlyMap<Setting, string> {
  const texts = new Map<Setting, string>();
  for (const name of ['sslrootcert', 'sslcert', 'sslkey', 'sslpassword'] as const) {
    const variable = ssl[name]?.from_env;
    if (variable === undefined) continue;
    const text = env[variable] ?? '';
    if (text === '')
      throw wrong(`environment variable '${variable}'`, `not set, in ssl_configuration.${name}`);
    texts.set(name, text);
  }
  return texts;
}

/** Refuses what no session could be made with; what it says tells nothing of a text. */
function check(texts: ReadonlyMap<Setting, string>): void {
  if (texts.has('sslcert') !== texts.has('sslkey'))
    throw wrong('ssl_configuration', 'must have both sslcert and sslkey, or neither');
  certificatesIn('sslrootcert', texts);
  const [certificate] = certificatesIn('sslcert', texts);
  const key = keyIn(texts);
  if (certificate !== undefined && key !== undefined && !certificate.checkPrivateKey(key))
    throw wrong('ssl_configuration.sslkey', 'is not the key of the certificate in sslcert');
}

function certificatesIn(name: Setting, texts: ReadonlyMap<Setting, string>): readonly X509Certificate[] {
  const text = texts.get(name);
  if (text === undefined) return [];
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    if (found.length > 0) return found.map((pem) => new X509Certificate(pem));
  } catch {
    // said below, without the text
  }
  throw wrong(`ssl_configuration.${name}`, 'names a variable that must hold certificates in PEM');
}

function keyIn(texts: ReadonlyMap<Setting, string>): KeyObject | undefined {
  const key = texts.get('sslkey');
  if (key === undefined) return undefined;
  const passphrase = texts.get('sslpassword');
  try {
    return createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    if (key.includes('ENCRYPTED'))
      throw wrong('ssl_configuration.sslpassword', 'does not open the key in sslkey');
    throw wrong('ssl_configuration.sslkey', 'names a variable that must hold a private key in PEM');
  }
}

function wrong(what: string, isWhat: string): NearjoinError {
  return new NearjoinError('invalid-configuration', `${what} ${isWhat}`);
}
