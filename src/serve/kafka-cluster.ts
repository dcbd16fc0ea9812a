import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { KafkaCluster } from '../../connectors/kafka/settings.ts';
import type { Config } from '../config.ts';
import { messageOf, NearjoinError } from '../core/errors.ts';

type KafkaSettings = Pick<
  Config,
  | 'kafkaBrokers'
  | 'kafkaTls'
  | 'kafkaCaFile'
  | 'kafkaSaslMechanism'
  | 'kafkaSaslUsername'
  | 'kafkaSaslPassword'
>;

/** How the configured brokers are reached; throws a `start-failed` error when the file of certificates cannot be used. */
export function kafkaCluster(config: KafkaSettings): KafkaCluster {
  const { kafkaSaslMechanism: mechanism, kafkaSaslUsername: username, kafkaSaslPassword: password } = config;
  const isNamed = mechanism !== null && username !== null && password !== null;
  return {
    brokers: config.kafkaBrokers,
    tls: config.kafkaTls
      ? { ca: config.kafkaCaFile === null ? null : certificatesIn(config.kafkaCaFile) }
      : null,
    login: isNamed ? { mechanism, username, password } : null,
  };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Node takes a file without certificates for an empty list and then trusts nobody: that is found here, not at every connect. */
function certificatesIn(file: string): string {
  try {
    const certificates = readFileSync(file, 'utf8').match(CERTIFICATE) ?? [];
    if (certificates.length === 0) throw new Error('holds no certificate in PEM format');
    for (const certificate of certificates) void new X509Certificate(certificate);
    return certificates.join('\n');
  } catch (error) {
    const message = `bad configuration: NEARJOIN_KAFKA_CA_FILE: ${messageOf(error)}`;
    throw new NearjoinError('start-failed', message, { cause: error });
  }
}
