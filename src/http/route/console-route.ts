import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { NearjoinError } from '../../core/errors.ts';
import { keptIn } from '../../core/kept-in.ts';
import { accepts } from '../accepts.ts';

/** The console's own files, and below `vendor` the editor's, which the build puts there. */
const DIRECTORY = fileURLToPath(new URL('../../console/', import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

/** Scripts and connections are our own alone. The editor sets styles of elements it makes, which run nothing. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

interface Asset {
  readonly type: string;
  readonly plain: Buffer;
  readonly packed: Buffer;
  readonly tag: string;
}

const compressed = promisify(gzip);

/** Serves the web console: its page under every path below `/console`, and its files, read when first asked for. */
export function registerConsole(app: FastifyInstance): void {
  const names = new Set(files());
  const assets = new Map<string, Promise<Asset>>();
  const assetOf = (name: string): Promise<Asset> | null =>
    names.has(name) ? keptIn(assets, name, () => readAsset(name)) : null;
  const page = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    send(request, reply, await assetOf('index.html'));
  app.get('/', (_request, reply) => reply.redirect('/console'));
  app.get('/console', page);
  app.get('/console/*', page);
  app.get<{ Params: { '*': string } }>('/console/assets/*', async (request, reply) =>
    send(request, reply, await assetOf(request.params['*'])),
  );
}

/** Only what is there when the server starts is ever served: no path of a request reaches the disk. */
function files(): readonly string[] {
  return readdirSync(DIRECTORY, { recursive: true, encoding: 'utf8' })
    .filter((name) => TYPES[extname(name)] !== undefined)
    .map((name) => name.replaceAll('\\', '/'));
}

async function readAsset(name: string): Promise<Asset> {
  const plain = await readFile(join(DIRECTORY, name));
  const digest = createHash('sha256').update(plain).digest('base64url');
  return {
    type: TYPES[extname(name)] ?? 'application/octet-stream',
    plain,
    packed: await compressed(plain),
    tag: `"${digest}"`,
  };
}

function send(request: FastifyRequest, reply: FastifyReply, asset: Asset | null): FastifyReply {
  if (asset === null) throw new NearjoinError('not-found', 'the console has no such file');
  reply
    .header('content-security-policy', POLICY)
    .header('referrer-policy', 'no-referrer')
    .header('cache-control', 'no-cache')
    .header('vary', 'Accept-Encoding')
    .header('etag', asset.tag);
  if (request.headers['if-none-match'] === asset.tag) return reply.code(304).send();
  reply.type(asset.type);
  const takesPacked = accepts(request.headers['accept-encoding'], 'gzip');
  return takesPacked ? reply.header('content-encoding', 'gzip').send(asset.packed) : reply.send(asset.plain);
}
