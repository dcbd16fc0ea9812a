import pg from 'pg';
import type { PostgresServer } from '../../src/embedded/server.ts';
import { poll } from './poll.ts';
import { startTarget } from './servers.ts';
import { TLS_IDENTITIES } from './tls-identities.ts';

const FILES = {
  'authority.pem': TLS_IDENTITIES.authority,
  'server.pem': TLS_IDENTITIES.serverCert,
  'server.key': TLS_IDENTITIES.serverKey,
};
/** Where `reader` comes from without TLS, or without a certificate of its name, it is not let in. */
const READER = 'hostssl all reader all scram-sha-256 clientcert=verify-full\nhostnossl all reader all reject';
const SETTINGS = {
  ssl_ca_file: 'authority.pem',
  ssl_cert_file: 'server.pem',
  ssl_key_file: 'server.key',
  ssl: 'on',
};

/** A Postgres that lets the role `reader` in by TLS alone, with its certificate, to a database of the same name. */
export interface TlsServer {
  /** The connection string of `reader`, which says nothing of TLS. */
  readonly url: string;
  /** As the superuser, in the reader's database. */
  query<Row extends pg.QueryResultRow>(sql: string, params?: readonly unknown[]): Promise<readonly Row[]>;
  stop(): Promise<void>;
}

/** Starts one whose database has these tables. */
export async function startTlsServer(statements: readonly string[]): Promise<TlsServer> {
  const server = await startTarget();
  await setUp(server);
  const pool = new pg.Pool({ connectionString: server.url('reader'), max: 2, allowExitOnIdle: true });
  pool.on('error', () => undefined);
  for (const statement of ['set role reader', ...statements]) await pool.query(statement);
  const query: TlsServer['query'] = async (sql, params = []) => (await pool.query(sql, [...params])).rows;
  const url = `postgres://reader:secret@localhost:${server.port}/reader`;
  const stop = async (): Promise<void> => {
    await pool.end();
    await server.stop();
  };
  return { url, query, stop };
}

async function setUp(server: PostgresServer): Promise<void> {
  const client = new pg.Client(server.url('postgres'));
  await client.connect();
  try {
    await client.query(`create role reader login replication password 'secret'`);
    await client.query('create database reader owner reader');
    // The server writes its files itself: its key must be its own.
    for (const [name, text] of Object.entries(FILES)) await write(client, name, text);
    const { rows } = await client.query<{ rules: string }>(`select pg_read_file('pg_hba.conf') as rules`);
    await write(client, 'pg_hba.conf', `${READER}\n${rows[0]?.rules}`);
    for (const [name, value] of Object.entries(SETTINGS))
      await client.query(`alter system set ${name} = '${value}'`);
    await client.query('select pg_reload_conf()');
    await poll('the server to speak TLS', async () => {
      const shown = await client.query<{ ssl: string }>('show ssl');
      return shown.rows[0]?.ssl === 'on';
    });
  } finally {
    await client.end();
  }
}

async function write(client: pg.Client, name: string, text: string): Promise<void> {
  const lines = client.escapeLiteral(text.trimEnd());
  await client.query(
    `copy (select string_to_table(${lines}, E'\\n')) to program 'umask 077; cat > ${name}' with (delimiter E'\\x01', format text)`,
  );
}
