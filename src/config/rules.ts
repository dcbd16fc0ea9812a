import { NearjoinError } from '../core/errors.ts';
import { ADMIN } from '../core/names.ts';
import type { CorsPolicy } from '../http/server/cors.ts';
import type { Config } from './settings.ts';

/** Refuses settings that are right one by one but not together. */
export function refuseContradictions(config: Config): void {
  const problems = [...authProblems(config), ...exposureProblems(config), ...kafkaProblems(config)];
  if (problems.length > 0)
    throw new NearjoinError('start-failed', `bad configuration: ${problems.join('; ')}`);
}

/** Every secret that makes a request an administrator's. */
export function adminSecretsOf(config: Config): readonly string[] {
  return config.adminSecret === null ? config.adminSecrets : [config.adminSecret, ...config.adminSecrets];
}

/** Which web origins may read answers. */
export function corsOf({ cors, disableCors }: Config): CorsPolicy {
  return disableCors ? { kind: 'none' } : cors;
}

function authProblems(config: Config): string[] {
  const secured = adminSecretsOf(config).length > 0;
  const jwt = config.jwtSecret !== null || config.jwtSecrets.length > 0;
  const hook = config.authHook !== null;
  const unauthorized = config.unauthorizedRole !== null;
  const rules: readonly (readonly [boolean, string])[] = [
    [jwt && !secured, 'NEARJOIN_JWT_SECRET needs NEARJOIN_ADMIN_SECRET to be set'],
    [hook && !secured, 'NEARJOIN_AUTH_HOOK needs NEARJOIN_ADMIN_SECRET to be set'],
    [hook && jwt, 'NEARJOIN_AUTH_HOOK and NEARJOIN_JWT_SECRET cannot both be set'],
    [hook && unauthorized, 'NEARJOIN_UNAUTHORIZED_ROLE cannot be used with NEARJOIN_AUTH_HOOK'],
    [unauthorized && !secured, 'NEARJOIN_UNAUTHORIZED_ROLE needs NEARJOIN_ADMIN_SECRET to be set'],
    [
      config.unauthorizedRole === ADMIN,
      'NEARJOIN_UNAUTHORIZED_ROLE cannot be admin: every request would be an administrator',
    ],
  ];
  return broken(rules);
}

function exposureProblems(config: Config): string[] {
  if (adminSecretsOf(config).length > 0 || isLoopback(config.host)) return [];
  return [
    'NEARJOIN_HOST is reachable from other machines, so NEARJOIN_ADMIN_SECRET must be set: without it every request is an administrator',
  ];
}

function kafkaProblems(config: Config): string[] {
  const { kafkaTls, kafkaCaFile, kafkaCertFile, kafkaKeyFile, kafkaSaslMechanism } = config;
  const named = [config.kafkaSaslUsername, config.kafkaSaslPassword];
  const rules: readonly (readonly [boolean, string])[] = [
    [kafkaCaFile !== null && !kafkaTls, 'NEARJOIN_KAFKA_CA_FILE needs NEARJOIN_KAFKA_TLS=true'],
    [kafkaCertFile !== null && !kafkaTls, 'NEARJOIN_KAFKA_CERT_FILE needs NEARJOIN_KAFKA_TLS=true'],
    [
      (kafkaCertFile === null) !== (kafkaKeyFile === null),
      'NEARJOIN_KAFKA_CERT_FILE and NEARJOIN_KAFKA_KEY_FILE need each other',
    ],
    [
      kafkaSaslMechanism !== null && named.includes(null),
      'NEARJOIN_KAFKA_SASL_MECHANISM needs NEARJOIN_KAFKA_SASL_USERNAME and NEARJOIN_KAFKA_SASL_PASSWORD',
    ],
    [
      kafkaSaslMechanism === null && named.some((value) => value !== null),
      'NEARJOIN_KAFKA_SASL_USERNAME and NEARJOIN_KAFKA_SASL_PASSWORD need NEARJOIN_KAFKA_SASL_MECHANISM',
    ],
  ];
  return broken(rules);
}

function broken(rules: readonly (readonly [boolean, string])[]): string[] {
  return rules.flatMap(([isBroken, problem]) => (isBroken ? [problem] : []));
}

function isLoopback(host: string): boolean {
  return /^(127(\.\d{1,3}){3}|::1|localhost)$/i.test(host);
}
