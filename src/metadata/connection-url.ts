import { NearjoinError } from '../core/errors.ts';
import type { DatabaseUrl } from './model.ts';

/** The URL a database is reached by; refuses an environment variable that is not set, never showing a value. */
export function connectionUrl(url: DatabaseUrl, env: Readonly<Record<string, string | undefined>>): string {
  if (typeof url === 'string') return checked(url);
  if ('from_env' in url) {
    const value = env[url.from_env];
    if (value !== undefined && value !== '') return checked(value);
    throw new NearjoinError('invalid-configuration', `environment variable '${url.from_env}' not set`);
  }
  const { host, port, database, username, password } = url.connection_parameters;
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}`;
  const login = `${encodeURIComponent(username)}${secret}`;
  const address = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  // A folder of sockets cannot stand where a URL has its host.
  if (host.startsWith('/'))
    return `postgresql://${login}@/${encodeURIComponent(database)}?host=${encodeURIComponent(host)}&port=${port}`;
  return `postgresql://${login}@${address}:${port}/${encodeURIComponent(database)}`;
}

/** Anything else would be read as the name of a database on a host of the client library's choosing, password and all. */
function checked(url: string): string {
  // Sessions are told apart by our names for them, and the client library would take this one.
  if (/^postgres(?:ql)?:\/\//i.test(url)) return url.replace(/([?&])application_name=[^&#]*&?/g, '$1');
  throw new NearjoinError(
    'invalid-configuration',
    'the database URL must begin with postgres:// or postgresql://',
  );
}
