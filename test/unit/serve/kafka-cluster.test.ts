import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectionOf } from '../../../connectors/kafka/topics.ts';
import { readConfig } from '../../../src/config.ts';
import { kafkaCluster } from '../../../src/serve/kafka-cluster.ts';

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

function file(text: string): string {
  const path = join(directory, 'ca.pem');
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
  [{ NEARJOIN_KAFKA_SASL_MECHANISM: 'plain' }, 'NEARJOIN_KAFKA_SASL_MECHANISM needs'],
  [{ NEARJOIN_KAFKA_SASL_PASSWORD: 'hunter2' }, 'need NEARJOIN_KAFKA_SASL_MECHANISM'],
  [{ NEARJOIN_KAFKA_SASL_MECHANISM: 'gssapi' }, 'expected one of plain, scram-sha-256, scram-sha-512'],
  [{ NEARJOIN_KAFKA_BROKERS: 'nowhere' }, 'NEARJOIN_KAFKA_BROKERS: expected host:port, host:port'],
])('settings that say half of it are refused (%#)', (env, problem) => {
  const refused = (): unknown => readConfig(env);
  expect(refused).toThrow(problem);
  expect(refused).not.toThrow(/hunter2/);
});
