/** The options of TLS that a URL can ask for. */
interface TlsOptions {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly passphrase?: string | undefined;
  readonly rejectUnauthorized?: false;
  readonly checkServerIdentity?: () => undefined;
}

/** What `pg` is told of where a database is, and of how it is reached there. */
export interface ClientConfig {
  readonly connectionString: string;
  readonly ssl?: TlsOptions | false;
  readonly sslnegotiation?: 'direct';
}

/** Everything in a URL that `pg` makes its TLS options of, in place of those that it is given. */
const TLS = /^(?:ssl.*|uselibpqcompat)$/;

/**
 * How `pg` reaches the database of a URL in which `sslrootcert`, `sslcert` and `sslkey` are texts in PEM: `pg` itself takes them for
 * names of files. All other URLs are left to it.
 */
export function clientConfig(url: string): ClientConfig {
  if (!/[?&]ssl[a-z]+=[^&#]*-----BEGIN/.test(url)) return { connectionString: url };
  const address = new URL(url);
  const given = new Map(address.searchParams); // the last one counts
  for (const name of given.keys()) if (TLS.test(name)) address.searchParams.delete(name);
  return {
    connectionString: address.href,
    ssl: optionsOf(given),
    ...(given.get('sslnegotiation') === 'direct' ? { sslnegotiation: 'direct' } : {}),
  };
}

function optionsOf(given: ReadonlyMap<string, string>): TlsOptions | false {
  const mode = given.get('sslmode');
  if (mode === 'disable') return false;
  const ca = given.get('sslrootcert');
  const identity = {
    cert: given.get('sslcert'),
    key: given.get('sslkey'),
    passphrase: given.get('sslpassword'),
  };
  return { ca, ...identity, ...trust(mode, ca) };
}

/** What of the server is verified, as Postgres' own library does. */
function trust(mode: string | undefined, ca: string | undefined): TlsOptions {
  if (mode === 'prefer' || mode === 'no-verify' || (mode === 'require' && ca === undefined))
    return { rejectUnauthorized: false };
  const isAnyHost = (mode === 'require' || mode === 'verify-ca') && ca !== undefined;
  return isAnyHost ? { checkServerIdentity: () => undefined } : {};
}
