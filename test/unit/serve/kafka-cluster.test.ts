import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectionOf } from '../../../connectors/kafka/topics.ts';
import { readConfig } from '../../../src/config.ts';
import { kafkaCluster } from '../../../src/serve/kafka-cluster.ts';
import { READER_IDENTITY } from '../../support/kafka/reader-identity.ts';

const BROKERS = { NEARJOIN_KAFKA_BROKERS: 'a:9093, b:9093' };
const LOGIN = {
  NEARJOIN_KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
  NEARJOIN_KAFKA_SASL_USERNAME: 'reader',
  NEARJOIN_KAFKA_SASL_PASSWORD: 'hunter2',
};
const [CERTIFICATE = '', ANOTHER = ''] = rootCertificates;

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'nearjoin-ca-'));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function file(text: string, name = 'ca.pem'): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function connection(env: Readonly<Record<string, string>>): unknown {
  return connectionOf(kafkaCluster(readConfig({ ...BROKERS, ...env })));
}

test('without further settings brokers are reached without TLS and login', () => {
  expect(connection({})).toEqual({ brokers: ['a:9093', 'b:9093'] });
});

test('TLS trusts what Node trusts, or the certificates of a file', () => {
  expect(connection({ NEARJOIN_KAFKA_TLS: 'true' })).toEqual({ brokers: ['a:9093', 'b:9093'], ssl: {} });
  const ca = file(`# ours\n${CERTIFICATE}\n# and theirs\n${ANOTHER}\n`);
  expect(connection({ NEARJOIN_KAFKA_TLS: 'true', NEARJOIN_KAFKA_CA_FILE: ca })).toMatchObject({
    ssl: { ca: `${CERTIFICATE}\n${ANOTHER}` },
  });
});

test('a certificate of its own is shown with its key', () => {
  const cert = file(`${READER_IDENTITY.cert}${CERTIFICATE}\n`, 'cert.pem');
  const key = file(READER_IDENTITY.key, 'key.pem');
  const env = { NEARJOIN_KAFKA_TLS: 'true', NEARJOIN_KAFKA_CERT_FILE: cert, NEARJOIN_KAFKA_KEY_FILE: key };
  expect(connection(env)).toMatchObject({
    ssl: { cert: `${READER_IDENTITY.cert}${CERTIFICATE}`, key: READER_IDENTITY.key },
  });
});

test.each([
  ['hunter2', ''],
  [
    generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    'is not the key of the first certificate in NEARJOIN_KAFKA_CERT_FILE',
  ],
])('a key that is none, or of another certificate, ends the start (%#)', (text, problem) => {
  const cert = file(READER_IDENTITY.cert, 'cert.pem');
  const key = file(text, 'key.pem');
  const env = { NEARJOIN_KAFKA_TLS: 'true', NEARJOIN_KAFKA_CERT_FILE: cert, NEARJOIN_KAFKA_KEY_FILE: key };
  expect(() => connection(env)).toThrow(`bad configuration: NEARJOIN_KAFKA_KEY_FILE: ${problem}`);
  expect(() => connection(env)).not.toThrow(/hunter2/);
});

test('a login is handed on', () => {
  expect(connection(LOGIN)).toEqual({
    brokers: ['a:9093', 'b:9093'],
    sasl: { mechanism: 'scram-sha-512', username: 'reader', password: 'hunter2' },
  });
});

test.each([
  ['nothing', () => join(directory, 'missing.pem'), 'ENOENT'],
  ['a file without certificates', () => file('hunter2'), 'holds no certificate in PEM format'],
  ['a damaged certificate', () => file(CERTIFICATE.replace(/\n[^\n]{20}/, '\n')), ''],
])('%s where the certificates should be ends the start', (_, path, problem) => {
  const env = { NEARJOIN_KAFKA_TLS: 'true', NEARJOIN_KAFKA_CA_FILE: path() };
  expect(() => connection(env)).toThrow(`bad configuration: NEARJOIN_KAFKA_CA_FILE: ${problem}`);
});

test.each([
  [{ NEARJOIN_KAFKA_CA_FILE: '/ca.pem' }, 'NEARJOIN_KAFKA_CA_FILE needs NEARJOIN_KAFKA_TLS=true'],
  [{ NEARJOIN_KAFKA_CERT_FILE: '/c.pem' }, 'NEARJOIN_KAFKA_CERT_FILE needs NEARJOIN_KAFKA_TLS=true'],
  [{ NEARJOIN_KAFKA_CERT_FILE: '/c.pem' }, 'NEARJOIN_KAFKA_CERT_FILE and NEARJOIN_KAFKA_KEY_FILE need'],
  [{ NEARJOIN_KAFKA_KEY_FILE: '/k.pem' }, 'NEARJOIN_KAFKA_CERT_FILE and NEARJOIN_KAFKA_KEY_FILE need'],
  [{ NEARJOIN_KAFKA_SASL_MECHANISM: 'plain' }, 'NEARJOIN_KAFKA_SASL_MECHANISM needs'],
  [{ NEARJOIN_KAFKA_SASL_PASSWORD: 'hunter2' }, 'need NEARJOIN_KAFKA_SASL_MECHANISM'],
  [{ NEARJOIN_KAFKA_SASL_MECHANISM: 'gssapi' }, 'expected one of plain, scram-sha-256, scram-sha-512'],
  [{ NEARJOIN_KAFKA_BROKERS: 'nowhere' }, 'NEARJOIN_KAFKA_BROKERS: expected host:port, host:port'],
])('settings that say half of it are refused (%#)', (env, problem) => {
  const refused = (): unknown => readConfig(env);
  expect(refused).toThrow(problem);
  expect(refused).not.toThrow(/hunter2/);
});
