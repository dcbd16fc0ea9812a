import { NearjoinError } from '../core/errors.ts';
import type { ConnectionInfo, DatabaseUrl } from './model.ts';
import { sslMode, withSsl } from './ssl-configuration.ts';

/** The URL of a source, with what its `ssl_configuration` says. */
export function sourceUrl(
  { database_url: from, ssl_configuration: ssl }: ConnectionInfo,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const url = connectionUrl(from, env);
  return ssl === undefined || ssl === null ? url : forLibrary(withSsl(url, ssl, env));
}

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
 * A URL of ours or of an operator, changed so that the client library reads it as Postgres' own library does: `require` does not mean
 * `verify-full`, and a URL without a host means this machine. A name for the session is left out: nearjoin's sessions have names of
 * their own.
 */
export function forLibrary(url: string): string {
  const named = withPlainDatabase(withHost(checked(url.trim()))).replace(
    /([?&])application_name=[^&#]*&?/g,
    '$1',
  );
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

function withHost(url: string): string {
  return url.replace(/^([a-z]+:\/\/(?:[^/?#]*@)?)(?=[:/?#]|$)/i, '$1localhost');
}

/** The client library does not decode these characters in the name of a database, where they may stand as they are. */
function withPlainDatabase(url: string): string {
  const plain = (name: string): string =>
    name.replace(/%(?:24|26|2B|2C|2F|3A|3B|3D|40)/gi, decodeURIComponent);
  return url.replace(
    /^([a-z]+:\/\/[^/?#]*\/)([^?#]*)/i,
    (_, start: string, name: string) => start + plain(name),
  );
}

/** Whether Postgres' own library asks for less than `verify-full`, which the client library takes the mode for. */
function isWeaker(mode: string | null, given: URLSearchParams): boolean {
  return mode === 'prefer' || mode === 'require' || (mode === 'verify-ca' && given.has('sslrootcert'));
}

/** These name another database, and the client library ignores them: the wrong database would answer. */
const MISSED = /[?&](dbname|hostaddr|service)=/;

/** Refuses what is no URL, which the client library would take for the name of a database, password included; several hosts; and ignored parameters. */
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
