import { NearjoinError } from '../core/errors.ts';
import type { DatabaseUrl } from './model.ts';

/** The URL a database is reached by; refuses an environment variable that is not set, never showing a value. */
export function connectionUrl(url: DatabaseUrl, env: Readonly<Record<string, string | undefined>>): string {
  if (typeof url === 'string') return forLibrary(url);
  if ('from_env' in url) {
    const value = env[url.from_env];
    if (value !== undefined && value !== '') return forLibrary(value);
    throw new NearjoinError('invalid-configuration', `environment variable '${url.from_env}' not set`);
  }
  const { host, port, database, username, password } = url.connection_parameters;
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}`;
  const login = `${encodeURIComponent(username)}${secret}`;
  const address = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  // A folder of sockets cannot stand where a URL has its host.
  const isFolder = host.startsWith('/');
  const end = `${encodeURIComponent(database)}${isFolder ? `?host=${encodeURIComponent(host)}` : ''}`;
  return forLibrary(`postgresql://${login}@${isFolder ? 'localhost' : address}:${port}/${end}`);
}

/**
 * A URL of ours or of an operator, so that the client library reads it as Postgres' own does: where none was given it names a
 * host, and `require` does not mean `verify-full`. A name for the session is left out: sessions are told apart by ours.
 */
export function forLibrary(url: string): string {
  const named = checked(url.trim())
    .replace(/^([a-z]+:\/\/(?:[^/?#]*@)?)(?=[:/?#]|$)/i, '$1localhost')
    .replace(/^([a-z]+:\/\/[^/?#]*\/)([^?#]*)/i, (_, start: string, name: string) => start + plain(name))
    .replace(/([?&])application_name=[^&#]*&?/g, '$1');
  if (!URL.canParse(named)) {
    const message =
      'the database URL cannot be read: in a user name and a password, @ : / ? # and % are written as %40 %3A %2F %3F %23 and %25';
    throw new NearjoinError('invalid-configuration', message);
  }
  const { searchParams: given } = new URL(named);
  const mode = sslMode(given);
  if (given.has('uselibpqcompat') || !isWeaker(mode, given)) return named;
  return named.replace('?', '?uselibpqcompat=true&');
}

/** Whether Postgres' own library asks for less than `verify-full`, which the client library takes the mode for. */
function isWeaker(mode: string | null, given: URLSearchParams): boolean {
  return mode === 'prefer' || mode === 'require' || (mode === 'verify-ca' && given.has('sslrootcert'));
}

/** The client library leaves these as they are written in the name of a database, which may hold them plainly. */
function plain(name: string): string {
  return name.replace(/%(?:24|26|2B|2C|2F|3A|3B|3D|40)/gi, decodeURIComponent);
}

/** What the client library knows; any other word it would take for `verify-full`. */
const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];

/** The last one counts, as in both libraries. */
function sslMode(given: URLSearchParams): string | null {
  const mode = given.getAll('sslmode').at(-1) ?? null;
  if (mode === null || SSL_MODES.includes(mode)) return mode;
  const message = `the sslmode of the database URL must be one of ${SSL_MODES.join(', ')}`;
  throw new NearjoinError('invalid-configuration', message);
}

/** They lead to a database elsewhere, and the client library passes over them: another one would answer. */
const MISSED = /[?&](dbname|hostaddr|service)=/;

/** Anything else would be read as the name of a database on a host of the client library's choosing, password and all. */
function checked(url: string): string {
  const [, hosts] = /^postgres(?:ql)?:\/\/(?:[^/?#]*@)?([^/?#]*)/i.exec(url) ?? [];
  if (hosts === undefined)
    throw new NearjoinError(
      'invalid-configuration',
      'the database URL must begin with postgres:// or postgresql://',
    );
  const missed = MISSED.exec(url)?.[1];
  if (missed !== undefined) {
    const message = `the database URL has the parameter "${missed}", which is not understood: write postgres://user@host:port/database`;
    throw new NearjoinError('invalid-configuration', message);
  }
  if (!hosts.includes(',') && !/[?&]host=[^&#]*(?:,|%2C)/i.test(url)) return url;
  const message = 'the database URL names several hosts; give it one name, which leads to the primary';
  throw new NearjoinError('invalid-configuration', message);
}
