import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { KafkaCluster, KafkaTls } from '../../connectors/kafka/settings.ts';
import type { Config } from '../config.ts';
import { messageOf, NearjoinError } from '../core/errors.ts';

type TlsSettings = Pick<Config, 'kafkaTls' | 'kafkaCaFile' | 'kafkaCertFile' | 'kafkaKeyFile'>;

type KafkaSettings = TlsSettings &
  Pick<Config, 'kafkaBrokers' | 'kafkaSaslMechanism' | 'kafkaSaslUsername' | 'kafkaSaslPassword'>;

/** How the configured brokers are reached; throws a `start-failed` error when a file of certificates or the key cannot be used. */
export function kafkaCluster(config: KafkaSettings): KafkaCluster {
  const { kafkaSaslMechanism: mechanism, kafkaSaslUsername: username, kafkaSaslPassword: password } = config;
  const isNamed = mechanism !== null && username !== null && password !== null;
  return {
    brokers: config.kafkaBrokers,
    tls: config.kafkaTls ? tlsOf(config) : null,
    login: isNamed ? { mechanism, username, password } : null,
  };
}

function tlsOf({ kafkaCaFile, kafkaCertFile, kafkaKeyFile }: TlsSettings): KafkaTls {
  const ca = kafkaCaFile === null ? null : inFile('NEARJOIN_KAFKA_CA_FILE', kafkaCaFile, certificatesOf);
  if (kafkaCertFile === null || kafkaKeyFile === null) return { ca, identity: null };
  const cert = inFile('NEARJOIN_KAFKA_CERT_FILE', kafkaCertFile, certificatesOf);
  const key = inFile('NEARJOIN_KAFKA_KEY_FILE', kafkaKeyFile, (text) => keyFor(cert, text));
  return { ca, identity: { cert, key } };
}

/** What is wrong with a file is found at the start, not at every connect. */
function inFile(setting: string, file: string, use: (text: string) => string): string {
  try {
    return use(readFileSync(file, 'utf8'));
  } catch (error) {
    const message = `bad configuration: ${setting}: ${messageOf(error)}`;
    throw new NearjoinError('start-failed', message, { cause: error });
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Node takes a text without certificates for an empty list and then trusts nobody. */
function certificatesOf(text: string): string {
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) throw new Error('holds no certificate in PEM format');
  for (const certificate of certificates) void new X509Certificate(certificate);
  return certificates.join('\n');
}

/** The first of the certificates is the reader's own, the others lead to who signed it. */
function keyFor(certificates: string, text: string): string {
  if (!new X509Certificate(certificates).checkPrivateKey(createPrivateKey(text)))
    throw new Error('is not the key of the first certificate in NEARJOIN_KAFKA_CERT_FILE');
  return text;
}
