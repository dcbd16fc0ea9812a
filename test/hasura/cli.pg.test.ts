import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { runMetadata } from '../../src/cli/metadata.ts';
import { Authenticator } from '../../src/http/auth/authenticator.ts';
import { HeldBytes } from '../../src/http/held-bytes.ts';
import { registerMetadataRoutes } from '../../src/http/route/metadata-routes.ts';
import { createServer } from '../../src/http/server/server.ts';
import { createLog } from '../../src/ops/log.ts';
import { openWorld, type World } from './world.ts';

let world: World;
let app: FastifyInstance;
let dir: string;
let port: number;

beforeEach(async () => {
  world = await openWorld({ sql: ['create table author (id int primary key, name text)'] });
  dir = await mkdtemp(join(tmpdir(), 'nearjoin-cli-'));
  app = createServer({
    log: createLog('silent'),
    cors: { kind: 'any' },
    bodyLimitBytes: 1_000_000,
    arriving: new HeldBytes(1_000_000, () => undefined),
    requestTimeoutMs: 60_000,
    isLeaving: () => false,
    showsInternal: () => false,
  });
  const authenticator = new Authenticator({
    adminSecrets: ['s3cret'],
    unauthorizedRole: 'nobody',
    jwt: null,
    hook: null,
  });
  registerMetadataRoutes(app, { authenticator, store: world.store, watch: world.watch });
  app.get('/v1/version', () => ({ version: 'v2.48.0' }));
  port = Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port);
});

afterEach(async () => {
  await app.close();
  await world.close();
  await rm(dir, { recursive: true, force: true });
});

async function cli(command: string, ...more: string[]): Promise<{ code: number; out: string; err: string }> {
  const [out, err] = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockReturnValue(true),
  );
  vi.stubEnv('NEARJOIN_ADMIN_SECRET', 's3cret');
  try {
    const endpoint = `http://127.0.0.1:${port}/`;
    const code = await runMetadata([command, '--dir', dir, '--endpoint', endpoint, ...more]);
    return { code, out: written(out), err: written(err) };
  } finally {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  }
}

function written(stream: { readonly mock: { readonly calls: unknown[][] } } | undefined): string {
  return (stream?.mock.calls ?? []).map(([text]) => String(text)).join('');
}

const tablesFile = (): string => join(dir, 'databases/default/tables/tables.yaml');

test('metadata is exported, changed, compared, applied and listed', async () => {
  expect(await cli('export')).toEqual({ code: 0, out: `metadata exported to ${dir}\n`, err: '' });
  expect(await cli('diff')).toEqual({ code: 0, out: 'no differences\n', err: '' });

  await writeFile(tablesFile(), '- table: author\n- table: {schema: hasura, name: gone}\n');
  const { out: difference } = await cli('diff');
  expect(difference).toContain(`databases/default/tables/tables.yaml (- on the server, + in ${dir})`);
  expect(difference).toContain('+ - "!include public_author.yaml"');

  const gone = `table hasura.gone in source default: Inconsistent object: no such table/view exists in source: "hasura.gone"`;
  expect(await cli('apply')).toEqual({
    code: 0,
    out: `metadata applied\nmetadata is inconsistent, 1 object(s) do not hold:\n  ${gone}\n`,
    err: '',
  });
  expect(await cli('inconsistencies')).toMatchObject({ code: 1, out: expect.stringContaining(gone) });
  expect(await cli('reload')).toMatchObject({ code: 0, out: expect.stringContaining(gone) });

  await cli('export');
  expect(await readFile(join(dir, 'databases/default/tables/public_author.yaml'), 'utf8')).toBe(
    'table:\n  name: author\n  schema: public\n',
  );
  await writeFile(tablesFile(), '- "!include public_author.yaml"\n');
  expect(await cli('apply', '--disallow-inconsistent-metadata')).toMatchObject({
    code: 0,
    out: 'metadata applied\n',
  });
  expect(await cli('inconsistencies')).toEqual({ code: 0, out: 'metadata is consistent\n', err: '' });
});

test('every failure ends with 1 and a sentence', async () => {
  await cli('export');
  await writeFile(tablesFile(), '- table: gone\n');
  const strict = await cli('apply', '--disallow-inconsistent-metadata');
  expect(strict).toMatchObject({ code: 1, out: '' });
  expect(strict.err).toMatch(
    /^nearjoin metadata: cannot continue due to inconsistent metadata \(unexpected at \$\.args\)\n/,
  );
  expect(await cli('apply', '--admin-secret', 'wrong')).toEqual({
    code: 1,
    out: '',
    err: 'nearjoin metadata: invalid "x-hasura-admin-secret"/"x-hasura-access-key" (access-denied at $)\n',
  });
  await writeFile(tablesFile(), '- "!include nowhere.yaml"\n');
  expect((await cli('apply')).err).toBe(
    'nearjoin metadata: databases/default/tables/nowhere.yaml: no such file\n',
  );
  expect(await cli('apply', '--nonsense')).toMatchObject({
    code: 1,
    err: expect.stringContaining('--nonsense'),
  });
  expect(await cli('fly')).toMatchObject({
    code: 1,
    err: expect.stringContaining('Usage: nearjoin metadata'),
  });
});

test('a server that is not there is named', async () => {
  await app.close();
  const nobody = await cli('reload', '--endpoint', `http://127.0.0.1:${port}`);
  expect(nobody).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^nearjoin metadata: cannot reach http:\/\/127.*: .*ECONNREFUSED/),
  });
});

test('over HTTP a body that is no JSON, and a query that is no export, are refused in the shape of Hasura', async () => {
  const post = async (url: string, payload: string): Promise<unknown> => {
    const headers = { 'content-type': 'application/json', 'x-hasura-admin-secret': 's3cret' };
    const answer = await app.inject({ method: 'POST', url, headers, payload });
    return { status: answer.statusCode, body: answer.json() };
  };
  expect(await post('/v1/metadata', '{"type":')).toMatchObject({
    status: 400,
    body: { path: '$', code: 'invalid-json' },
  });
  expect(await post('/v1/query', '{"type":"export_metadata","args":{}}')).toMatchObject({
    status: 200,
    body: { version: 3 },
  });
  expect(await post('/v1/query', '{"type":"run_sql","args":{}}')).toMatchObject({
    status: 400,
    body: { path: '$.type', code: 'not-supported' },
  });
});

test('what the stock command line sends comes back in the order of an export of Hasura, whatever its own', async () => {
  const ask = async (url: string, payload: string): Promise<string> => {
    const headers = {
      'user-agent': 'Go-http-client/1.1',
      'content-type': 'application/json',
      'x-hasura-admin-secret': 's3cret',
      'accept-encoding': 'gzip',
    };
    const answer = await app.inject({ method: 'POST', url, headers, payload });
    expect(answer.statusCode).toBe(200);
    return answer.payload;
  };
  const configuration = `{"connection_info":{"database_url":${JSON.stringify(world.url)}}}`;
  const table =
    '{"select_permissions":[{"permission":{"columns":["id"],"filter":{"name":{"_neq":"x"},"id":{"_gt":0}}},"role":"user"}],"table":{"name":"author","schema":"public"}}';
  const action =
    '{"definition":{"arguments":[{"description":null,"name":"a","type":"Int"}],"handler":"h","kind":"","output_type":"Int","type":"query"},"name":"act"}';
  const sources = `[{"configuration":${configuration},"kind":"postgres","name":"default","tables":[${table}]}]`;

  // Before each command, then `metadata apply`, then `metadata export`.
  const known = await ask('/v1/query', '{"type":"export_metadata","args":{}}\n');
  expect(JSON.parse(known)).toMatchObject({ version: 3 });
  const state = await ask('/v1/metadata', '{"args":{},"type":"get_catalog_state"}\n');
  expect(JSON.parse(state)).toMatchObject({ cli_state: {} });
  const args = `{"allow_inconsistent_metadata":true,"metadata":{"actions":[${action}],"sources":${sources},"version":3}}`;
  const applied = await ask('/v1/metadata', `{"type":"replace_metadata","version":2,"args":${args}}\n`);
  expect(JSON.parse(applied)).toMatchObject({
    is_consistent: false,
    inconsistent_objects: [{ type: 'actions' }],
  });
  const exported = await ask('/v1/metadata', '{"type":"export_metadata","args":{}}\n');
  expect(exported).toBe(
    '{"version":3,"sources":[{"name":"default","kind":"postgres","tables":[{"table":{"name":"author","schema":"public"},' +
      '"select_permissions":[{"role":"user","permission":{"columns":["id"],"filter":{"id":{"_gt":0},"name":{"_neq":"x"}}}}]}],' +
      `"configuration":${configuration}}],` +
      '"actions":[{"name":"act","definition":{"handler":"h","output_type":"Int","arguments":[{"name":"a","type":"Int"}],"type":"query"}}]}',
  );
});
