import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { clientConfig } from '../../../../src/core/postgres/client-config.ts';
import { sourceUrl } from '../../../../src/metadata/connection-url.ts';
import { sourceConfiguration } from '../../../../src/metadata/model.ts';
import { scrub } from '../../../../src/ops/log.ts';
import { TLS_IDENTITIES } from '../../../support/tls-identities.ts';

const { authority, readerCert, readerKey, lockedKey, password, serverKey } = TLS_IDENTITIES;
const ENV = {
  CA: authority,
  CERT: readerCert,
  KEY: readerKey,
  LOCKED: lockedKey,
  PASSWORD: password,
  EMPTY: '',
};
const OTHERS = {
  SERVER_KEY: serverKey,
  TORN: authority.slice(0, 200),
  BROKEN: authority.replace('MII', 'MIJ'),
};

const folder = mkdtempSync(join(tmpdir(), 'nearjoin-tls-'));
afterAll(() => rmSync(folder, { recursive: true }));

const of = (name: string): object => ({ from_env: name });
const IDENTIFIED = { sslcert: of('CERT'), sslkey: of('KEY') };

/** What becomes of a source's connection, as metadata has it. */
function urlOf(ssl_configuration: unknown, database_url = 'postgres://u:p@h/d'): string {
  const { connection_info: info } = sourceConfiguration.parse({
    connection_info: { database_url, ssl_configuration },
  });
  return sourceUrl(info, { ...ENV, ...OTHERS });
}

/** What `pg` makes of it; functions are told by their names. */
function tlsOf(url: string): unknown {
  const { ssl } = new pg.Client({ ...clientConfig(url) }) as unknown as { readonly ssl: object | false };
  if (ssl === false) return ssl;
  const { key, checkServerIdentity, ...rest } = ssl as {
    readonly key?: string;
    readonly checkServerIdentity?: object;
  };
  const said = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return { ...said, key: key ?? null, isAnyHost: checkServerIdentity !== undefined };
}

test.each(['disable', 'prefer', 'require', 'verify-ca', 'verify-full'])(
  'a source with ssl_configuration and %s verifies what a URL with the same files verifies',
  (sslmode) => {
    const files = Object.entries({ sslrootcert: authority, sslcert: readerCert, sslkey: readerKey });
    for (const [name, text] of files) writeFileSync(join(folder, name), text);
    const [ca, cert, key] = files.map(([name]) => `${name}=${join(folder, name)}`);
    const base = `postgres://u:p@h/d?sslmode=${sslmode}`;
    const trusted = { sslmode, sslrootcert: of('CA') };
    expect(tlsOf(urlOf(trusted))).toEqual(tlsOf(urlOf(null, `${base}&${ca}`)));
    expect(tlsOf(urlOf({ ...trusted, ...IDENTIFIED }))).toEqual(
      tlsOf(urlOf(null, `${base}&${ca}&${cert}&${key}`)),
    );
    expect(tlsOf(urlOf({ sslmode, ...IDENTIFIED }))).toEqual(tlsOf(urlOf(null, `${base}&${cert}&${key}`)));
    expect(tlsOf(urlOf({ sslmode }))).toEqual(tlsOf(urlOf(null, base)));
  },
);

test.each([
  [{ sslmode: 'verify-full' }, '?sslmode=require', '?sslmode=verify-full'],
  [{ sslmode: 'disable' }, '?sslmode=verify-full', '?sslmode=verify-full'],
  [{ sslmode: 'verify-ca' }, '?sslmode=require', '?sslmode=verify-ca'],
  [{ sslmode: 'require' }, '?sslmode=no-verify', '?uselibpqcompat=true&sslmode=require'],
  [{ sslmode: 'prefer' }, '', '?uselibpqcompat=true&sslmode=prefer'],
  [{ sslmode: null }, '?sslmode=verify-full', '?sslmode=verify-full'],
  [null, '', ''],
])('of the modes in ssl_configuration %o and in the URL %s the stricter holds', (ssl, said, made) => {
  expect(urlOf(ssl, `postgres://u:p@h/d${said}`)).toBe(`postgres://u:p@h/d${made}`);
});

test('what else a URL says stays, and no part of it reaches the log', () => {
  const ssl = {
    sslmode: 'verify-full',
    sslcert: of('CERT'),
    sslkey: of('LOCKED'),
    sslpassword: of('PASSWORD'),
  };
  const url = urlOf(ssl, 'postgres://u:p@h/d?sslnegotiation=direct&options=-c%20jit%3Doff');
  const config = clientConfig(url);
  expect(config.connectionString).toBe('postgres://u:p@h/d?options=-c+jit%3Doff');
  expect(config.sslnegotiation).toBe('direct');
  expect(config.ssl).toMatchObject({ cert: readerCert, key: lockedKey, passphrase: password });
  expect(scrub(`cannot reach ${url}`)).toBe('cannot reach postgres://[redacted]');
});

test.each([
  [{ sslmode: 'allow' }, 'ssl_configuration.sslmode must be one of disable, prefer,'],
  [
    { sslmode: 'require', sslrootcert: of('NONE') },
    `environment variable 'NONE' not set, in ssl_configuration.sslrootcert`,
  ],
  [
    { sslmode: 'require', sslkey: of('EMPTY') },
    `environment variable 'EMPTY' not set, in ssl_configuration.sslkey`,
  ],
  [{ sslmode: 'require', sslcert: of('CERT') }, 'must have both sslcert and sslkey'],
  [{ sslmode: 'require', sslkey: of('KEY') }, 'must have both sslcert and sslkey'],
  [
    { sslmode: 'require', sslrootcert: of('KEY') },
    'ssl_configuration.sslrootcert names a variable that must hold certificates in PEM',
  ],
  [{ sslmode: 'require', sslrootcert: of('TORN') }, 'ssl_configuration.sslrootcert names a variable'],
  [{ sslmode: 'require', sslrootcert: of('BROKEN') }, 'ssl_configuration.sslrootcert names a variable'],
  [{ ...IDENTIFIED, sslcert: of('PASSWORD') }, 'ssl_configuration.sslcert names a variable'],
  [
    { ...IDENTIFIED, sslkey: of('CA') },
    'ssl_configuration.sslkey names a variable that must hold a private key in PEM',
  ],
  [
    { ...IDENTIFIED, sslkey: of('SERVER_KEY') },
    'ssl_configuration.sslkey is not the key of the certificate in sslcert',
  ],
  [{ ...IDENTIFIED, sslkey: of('LOCKED') }, 'ssl_configuration.sslpassword does not open the key in sslkey'],
  [
    { ...IDENTIFIED, sslkey: of('LOCKED'), sslpassword: of('CA') },
    'ssl_configuration.sslpassword does not open',
  ],
])('a source with ssl_configuration %o is refused: %s', (ssl, reason) => {
  expect(() => urlOf(ssl)).toThrow(reason);
});

test('files of the URL do not stand beside texts of variables', () => {
  const refused = () =>
    urlOf({ sslmode: 'require', ...IDENTIFIED }, 'postgres://h/d?sslrootcert=/etc/ca.pem');
  expect(refused).toThrow('the sslrootcert of the database URL cannot stand beside');
  expect(urlOf({ sslmode: 'verify-full' }, 'postgres://h/d?sslrootcert=/etc/ca.pem')).toContain('ca.pem');
});
