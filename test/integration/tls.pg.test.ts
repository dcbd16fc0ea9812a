import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Session } from '../../src/replicate/session.ts';
import { GraphqlSocket } from '../support/graphql-socket.ts';
import { leadingTo } from '../support/leading-to.ts';
import { NearjoinHere } from '../support/nearjoin-here.ts';
import { poll } from '../support/poll.ts';
import { TLS_IDENTITIES } from '../support/tls-identities.ts';
import { startTlsServer, type TlsServer } from '../support/tls-server.ts';

let pg1: TlsServer;
let pg2: TlsServer;
let nearjoin: NearjoinHere;

const VARIABLES = {
  TLS_AUTHORITY: TLS_IDENTITIES.authority,
  TLS_STRANGER: TLS_IDENTITIES.stranger,
  TLS_CERT: TLS_IDENTITIES.readerCert,
  TLS_KEY: TLS_IDENTITIES.readerKey,
  TLS_LOCKED_KEY: TLS_IDENTITIES.lockedKey,
  TLS_PASSWORD: TLS_IDENTITIES.password,
};

beforeAll(async () => {
  for (const [name, value] of Object.entries(VARIABLES)) vi.stubEnv(name, value);
  [pg1, pg2] = await Promise.all([
    startTlsServer([
      'create table orders (id int primary key, user_id int)',
      'insert into orders values (1, 10)',
      'create view slow as select id, pg_sleep(600)::text as slept from orders',
    ]),
    startTlsServer([
      'create table users (id int primary key, name text)',
      `insert into users values (10, 'ann')`,
    ]),
  ]);
  nearjoin = await NearjoinHere.start();
});

afterAll(async () => {
  await nearjoin?.stop();
  await Promise.all([pg1?.stop(), pg2?.stop()]);
  vi.unstubAllEnvs();
});

const variable = (name: string): object => ({ from_env: name });

const TRUSTING = { sslmode: 'verify-full', sslrootcert: variable('TLS_AUTHORITY') };
const IDENTIFIED = { ...TRUSTING, sslcert: variable('TLS_CERT'), sslkey: variable('TLS_KEY') };
const LOCKED = { ...IDENTIFIED, sslkey: variable('TLS_LOCKED_KEY'), sslpassword: variable('TLS_PASSWORD') };

const JOINED = '{ orders { id user { name } } }';

function added(name: string, database_url: string, ssl_configuration: object): [string, object] {
  return ['pg_add_source', { name, configuration: { connection_info: { database_url, ssl_configuration } } }];
}

test('sources that ask for certificates are read, followed, asked live and stopped by TLS alone', async () => {
  await nearjoin.command(...added('pg1', pg1.url, LOCKED));
  await nearjoin.command(...added('pg2', pg2.url, IDENTIFIED));
  for (const [source, table] of [
    ['pg1', 'orders'],
    ['pg1', 'slow'],
    ['pg2', 'users'],
  ])
    await nearjoin.command('pg_track_table', { source, table });
  const definition = leadingTo('pg2', 'users', { user_id: 'id' });
  const relationship = { source: 'pg1', table: 'orders', name: 'user', definition };
  await nearjoin.command('pg_create_remote_relationship', relationship);

  const named = (name: string) => ({ data: { orders: [{ id: 1, user: { name } }] } });
  await poll('the cache to answer', async () => (await routed()).includes(';hit'));
  expect((await nearjoin.graphql(JOINED)).body).toEqual(named('ann'));
  const live = await nearjoin.graphql(JOINED, { 'cache-control': 'no-cache' });
  expect(live.headers.get('cache-status')).toContain('fwd=request');
  expect(live.body).toEqual(named('ann'));

  const socket = await GraphqlSocket.connect(nearjoin.url);
  socket.start('one', `subscription ${JOINED}`);
  await socket.untilAnswer('one', named('ann'));
  await pg2.query(`update users set name = 'bob'`);
  await socket.untilAnswer('one', named('bob'));
  socket.close();

  for (const server of [pg1, pg2]) {
    const sessions = await server.query(
      `select distinct ssl, client_dn as name from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'reader'`,
    );
    expect(sessions).toEqual([{ ssl: true, name: '/CN=reader' }]);
  }
});

async function routed(): Promise<string> {
  return (await nearjoin.graphql(JOINED)).headers.get('cache-status') ?? '';
}

test('a statement in a session by TLS is cancelled with its request', async () => {
  const gone = new AbortController();
  const body = JSON.stringify({ query: '{ slow { slept } }' });
  const asked = fetch(`${nearjoin.url}/v1/graphql`, { method: 'POST', body, signal: gone.signal });
  const sleeps = async (): Promise<boolean> =>
    (await pg1.query(`select from pg_stat_activity where wait_event = 'PgSleep'`)).length > 0;
  await poll('the statement to run', sleeps);
  gone.abort();
  await expect(asked).rejects.toThrow();
  await poll('the statement to be gone', async () => !(await sleeps()));
});

test.each([
  ['an authority that did not sign for it', { sslrootcert: variable('TLS_STRANGER') }, /certificate/],
  ['no certificate', { sslcert: null, sslkey: null }, 'connection requires a valid client certificate'],
  ['a name that it does not have', {}, 'does not match certificate', '127.0.0.1'],
  [
    'no password',
    { sslkey: variable('TLS_LOCKED_KEY') },
    'ssl_configuration.sslpassword does not open the key',
  ],
])('a server is not reached with %s', async (_, over, reason, host = 'localhost') => {
  const url = pg1.url.replace('localhost', host);
  const [type, args] = added('pg3', url, { ...IDENTIFIED, ...over });
  const { status, body } = await nearjoin.post('/v1/metadata', { type, args });
  expect({ status, error: body.error }).toEqual({ status: 400, error: expect.stringMatching(reason) });
});

test('a session behind a proxy is compared with a second one by TLS', async () => {
  // A proxy shows in a number that is not that of the server's process.
  for (const statement of [
    'create schema proxied; create sequence proxied.asked; grant usage on schema proxied to reader',
    `create function proxied.pg_backend_pid() returns int security definer language sql
       as $$ select pg_catalog.pg_backend_pid() + nextval('proxied.asked')::int * 0 + 1000000 $$`,
    'alter role reader set search_path = proxied, pg_catalog',
  ])
    await pg1.query(statement);
  const url = new URL(pg1.url);
  const given = { sslmode: 'verify-full', sslrootcert: TLS_IDENTITIES.authority };
  const identity = { sslcert: TLS_IDENTITIES.readerCert, sslkey: TLS_IDENTITIES.readerKey };
  for (const each of Object.entries({ ...given, ...identity })) url.searchParams.set(...each);
  const options = { url: url.href, applicationName: 'nearjoin test' };
  const session = await Session.open(options, new AbortController().signal);
  await session.close();
  // The first session twice, and the second between.
  expect(await pg1.query('select last_value as asked from proxied.asked')).toEqual([{ asked: '3' }]);
  await pg1.query('alter role reader reset search_path; drop schema proxied cascade');
});

test('an authority is enough where names are not verified', async () => {
  const url = pg1.url.replace('localhost', '127.0.0.1');
  await nearjoin.command(...added('pg3', url, { ...IDENTIFIED, sslmode: 'verify-ca' }));
  const { body } = await nearjoin.post('/v1/metadata', { type: 'export_metadata', args: {} });
  const [, , exported] = body.sources;
  expect(exported.configuration.connection_info.ssl_configuration).toEqual({
    ...IDENTIFIED,
    sslmode: 'verify-ca',
  });
  await nearjoin.command('pg_drop_source', { name: 'pg3' });
});
