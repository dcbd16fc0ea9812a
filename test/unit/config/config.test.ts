import { describe, expect, test } from 'vitest';
import { adminSecretsOf, corsOf } from '../../../src/config/rules.ts';
import { SETTINGS } from '../../../src/config/settings.ts';
import { readConfig } from '../../../src/config.ts';

const HS_SECRET = JSON.stringify({ type: 'HS256', key: 'a-secret-of-more-than-thirty-two-bytes' });

describe('readConfig', () => {
  test('nothing set gives the documented defaults', () => {
    const config = readConfig({ PATH: '/bin' });
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      roles: ['api', 'replicator'],
      maxStalenessMs: 1000,
      fallback: 'live',
      maxRetainedWalMb: 4096,
      removalDelayMs: 10_000,
      cors: { kind: 'any' },
      devMode: false,
      logLevel: 'info',
      defaultNamingConvention: 'hasura-default',
      stringifyNumericTypes: false,
      metadataDatabaseUrl: null,
    });
    expect(adminSecretsOf(config)).toEqual([]);
  });

  test("Hasura's names are read where ours are not set, and ours win", () => {
    const config = readConfig({
      HASURA_GRAPHQL_SERVER_PORT: '9000',
      HASURA_GRAPHQL_ADMIN_SECRET: 'theirs',
      NEARJOIN_ADMIN_SECRET: 'ours',
      HASURA_GRAPHQL_METADATA_DATABASE_URL: 'postgres://h/db',
      HASURA_GRAPHQL_STRINGIFY_NUMERIC_TYPES: 'yes',
      HASURA_GRAPHQL_DEFAULT_NAMING_CONVENTION: 'graphql-default',
    });
    expect(config).toMatchObject({
      port: 9000,
      adminSecret: 'ours',
      metadataDatabaseUrl: 'postgres://h/db',
      stringifyNumericTypes: true,
      defaultNamingConvention: 'graphql-default',
    });
  });

  test('an empty value counts as not set', () => {
    expect(readConfig({ NEARJOIN_ADMIN_SECRET: '', NEARJOIN_PORT: '' })).toMatchObject({
      adminSecret: null,
      port: 8080,
    });
  });

  test('an unknown name is refused and the near one suggested', () => {
    expect(() => readConfig({ NEARJOIN_PROT: '1' })).toThrow(
      'bad configuration: NEARJOIN_PROT is not a setting of nearjoin (did you mean NEARJOIN_PORT?)',
    );
  });

  test("unknown names of Hasura's are left alone", () => {
    expect(readConfig({ HASURA_GRAPHQL_ENABLE_TELEMETRY: 'false' }).port).toBe(8080);
  });

  test.each([
    ['NEARJOIN_PORT', '80800', 'expected a whole number from 0 to 65535'],
    ['NEARJOIN_PORT', '-1', 'expected a whole number from 0 to 65535'],
    ['NEARJOIN_MAX_STALENESS_MS', '1.5', 'expected a whole number from 0 to 2147483647'],
    ['NEARJOIN_FALLBACK', 'maybe', 'expected one of live, wait, stale, error'],
    ['NEARJOIN_ROLES', 'api,worker', 'expected one of api, replicator'],
    ['NEARJOIN_DEV_MODE', 'si', 'expected true or false'],
    ['NEARJOIN_METADATA_DATABASE_URL', 'mysql://x/y', 'expected a URL that begins with postgres:'],
    ['NEARJOIN_AUTH_HOOK', 'ftp://x', 'expected an http or https URL'],
    ['NEARJOIN_CORS_DOMAIN', 'example.com', 'expected *, none, or origins like https://*.example.com:8443'],
    [
      'NEARJOIN_CORS_DOMAIN',
      'http://a:65536',
      'expected *, none, or origins like https://*.example.com:8443',
    ],
    ['NEARJOIN_KAFKA_BROKERS', 'a:9092,b:65536', 'expected host:port, host:port'],
    ['NEARJOIN_KAFKA_BROKERS', 'a:0', 'expected host:port, host:port'],
    ['NEARJOIN_LOG_LEVEL', 'loud', 'expected one of silent, fatal, error, warn, info, debug, trace'],
  ])('%s=%s is refused by name', (name, value, problem) => {
    expect(() => readConfig({ [name]: value })).toThrow(`${name}: ${problem}`);
  });

  test.each(Object.values(SETTINGS).flatMap((setting) => (isAnyText(setting) ? [] : [setting])))(
    'nonsense as $name is refused under each of its names, and not repeated',
    ({ name, hasura }) => {
      const names = [`NEARJOIN_${name}`, ...(hasura === null ? [] : [`HASURA_GRAPHQL_${hasura}`])];
      for (const each of names) {
        const message = messageOf(() => readConfig({ [each]: '(hunter2' }));
        expect(message).toMatch(new RegExp(`^bad configuration: ${each}: [^;]{10,}$`));
        expect(message).not.toContain('hunter2');
      }
    },
  );

  test('what is wrong with several parts of a value is said once', () => {
    const message = messageOf(() => readConfig({ NEARJOIN_KAFKA_BROKERS: 'a,b' }));
    expect(message).toBe('bad configuration: NEARJOIN_KAFKA_BROKERS: expected host:port, host:port');
  });

  test('every bad variable is named in one message', () => {
    expect(() => readConfig({ NEARJOIN_PORT: 'x', HASURA_GRAPHQL_DEV_MODE: 'x' })).toThrow(
      /NEARJOIN_PORT: .*; HASURA_GRAPHQL_DEV_MODE: /,
    );
  });

  test.each([
    ['NEARJOIN_METADATA_DATABASE_URL', 'psql://me:hunter2@host/db'],
    ['NEARJOIN_JWT_SECRET', '{"type":"HS256","key":"hunter2"}'],
    ['NEARJOIN_JWT_SECRET', 'hunter2'],
    ['NEARJOIN_ADMIN_SECRETS', 'hunter2'],
    ['NEARJOIN_AUTH_HOOK', 'https://me:hunter2@auth.example.com'],
    ['NEARJOIN_JWT_SECRET', '{"jwk_url":"https://me:hunter2@auth.example.com/keys"}'],
  ])('a malformed %s never shows its value', (name, value) => {
    const message = messageOf(() => readConfig({ [name]: value, NEARJOIN_ADMIN_SECRET: 'x' }));
    expect(message).toContain(name);
    expect(message).not.toContain('hunter2');
  });

  test.each(['0.0.0.0', '::', '192.168.1.5', 'db.example.com'])(
    'host %s without an admin secret is refused',
    (host) => {
      expect(() => readConfig({ NEARJOIN_HOST: host })).toThrow('NEARJOIN_ADMIN_SECRET must be set');
      expect(readConfig({ NEARJOIN_HOST: host, NEARJOIN_ADMIN_SECRET: 's' }).host).toBe(host);
    },
  );

  test.each(['localhost', '127.0.0.1', '127.1.2.3', '::1'])('loopback host %s needs no secret', (host) => {
    expect(readConfig({ NEARJOIN_HOST: host }).host).toBe(host);
  });

  test('an address of IPv6 may stand in brackets', () => {
    expect(readConfig({ NEARJOIN_HOST: '[::1]' }).host).toBe('::1');
    expect(() => readConfig({ NEARJOIN_HOST: '[::]' })).toThrow('NEARJOIN_ADMIN_SECRET must be set');
  });

  test('a star is all addresses, as in Hasura', () => {
    const all = { HASURA_GRAPHQL_SERVER_HOST: '*' };
    expect(readConfig({ ...all, NEARJOIN_ADMIN_SECRET: 's' }).host).toBe('0.0.0.0');
    expect(() => readConfig(all)).toThrow('NEARJOIN_ADMIN_SECRET must be set');
  });

  test.each([
    ['NEARJOIN_ADMIN_SECRET', 'from a file\n'],
    ['NEARJOIN_ADMIN_SECRET', ' '],
    ['NEARJOIN_ADMIN_SECRETS', '["good", " bad"]'],
    ['NEARJOIN_METRICS_SECRET', 'token\r\n'],
  ])('%s that no header can carry is refused (%j)', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(new RegExp(`${name}: .*space`));
  });

  test.each([
    [{ NEARJOIN_JWT_SECRET: HS_SECRET }, 'NEARJOIN_JWT_SECRET needs NEARJOIN_ADMIN_SECRET'],
    [{ NEARJOIN_AUTH_HOOK: 'http://auth' }, 'NEARJOIN_AUTH_HOOK needs NEARJOIN_ADMIN_SECRET'],
    [{ NEARJOIN_UNAUTHORIZED_ROLE: 'anonymous' }, 'NEARJOIN_UNAUTHORIZED_ROLE needs NEARJOIN_ADMIN_SECRET'],
    [
      { NEARJOIN_UNAUTHORIZED_ROLE: 'admin', NEARJOIN_ADMIN_SECRET: 's3cret' },
      'NEARJOIN_UNAUTHORIZED_ROLE cannot be admin',
    ],
    [
      { NEARJOIN_AUTH_HOOK: 'http://auth', NEARJOIN_JWT_SECRET: HS_SECRET, NEARJOIN_ADMIN_SECRET: 's' },
      'cannot both be set',
    ],
  ])('settings that contradict each other are refused (%#)', (env, problem) => {
    expect(() => readConfig(env)).toThrow(problem);
  });

  test.each([
    [{}, 'any'],
    [{ HASURA_GRAPHQL_DISABLE_CORS: 'true' }, 'none'],
    [{ HASURA_GRAPHQL_DISABLE_CORS: 'true', NEARJOIN_CORS_DOMAIN: '*' }, 'none'],
    [{ HASURA_GRAPHQL_DISABLE_CORS: 'false', NEARJOIN_CORS_DOMAIN: 'none' }, 'none'],
  ])('whoever disables CORS lets no other origin in (%#)', (env, kind) => {
    expect(corsOf(readConfig(env)).kind).toBe(kind);
  });

  test('listed CORS origins are read with their wildcard and port', () => {
    expect(readConfig({ NEARJOIN_CORS_DOMAIN: 'https://*.Example.com:8443, http://localhost' }).cors).toEqual(
      {
        kind: 'listed',
        origins: [
          { scheme: 'https', host: 'example.com', wildcard: true, port: '8443' },
          { scheme: 'http', host: 'localhost', wildcard: false, port: '' },
        ],
      },
    );
  });
});

function isAnyText({ schema }: (typeof SETTINGS)[keyof typeof SETTINGS]): boolean {
  return schema.safeParse('(hunter2').success;
}

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('nothing was thrown');
}
