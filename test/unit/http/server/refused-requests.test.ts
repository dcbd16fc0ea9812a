import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { HeldBytes } from '../../../../src/http/held-bytes.ts';
import { parseJsonBody } from '../../../../src/http/operation/graphql-request.ts';
import { createServer } from '../../../../src/http/server/server.ts';
import { createLog } from '../../../../src/ops/log.ts';

const BODY_LIMIT = 10_000;

let app: FastifyInstance;
/** Waits a second for a request to be whole; the others wait as long as it takes on a busy machine. */
let hasty: FastifyInstance;

function server({ heldBytes = 1_000_000, requestTimeoutMs = 60_000 } = {}): FastifyInstance {
  return createServer({
    log: createLog('silent'),
    cors: { kind: 'any' },
    bodyLimitBytes: BODY_LIMIT,
    arriving: new HeldBytes(heldBytes, () => undefined),
    requestTimeoutMs,
    isLeaving: () => false,
    showsInternal: () => false,
  });
}

beforeAll(async () => {
  app = await listening();
  hasty = await listening({ requestTimeoutMs: 1_000 });
});

afterAll(async () => void (await Promise.all([app?.close(), hasty?.close()])));

/** A server that answers a JSON body with itself. */
async function listening(options: Parameters<typeof server>[0] = {}): Promise<FastifyInstance> {
  const made = server(options);
  made.post('/json', (request, reply) => reply.send(parseJsonBody(String(request.body))));
  await made.listen({ host: '127.0.0.1', port: 0 });
  return made;
}

/** Everything that comes back for these bytes until the server ends the connection. */
async function answersTo(...parts: readonly (string | Buffer)[]): Promise<string> {
  return answersOf(app, parts);
}

async function answersOf(one: FastifyInstance, parts: readonly (string | Buffer)[]): Promise<string> {
  const { socket, ended } = opened(one);
  for (const part of parts) socket.write(part);
  return ended;
}

function opened(to: FastifyInstance): { readonly socket: Socket; readonly ended: Promise<string> } {
  const socket = connect((to.server.address() as AddressInfo).port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (data) => {
    text += String(data);
  });
  // What the server no longer reads may end in a reset, after its answer.
  socket.on('error', () => undefined);
  return { socket, ended: once(socket, 'close').then(() => text) };
}

function post(headers: readonly string[], body: string | Buffer): Buffer {
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  const head = ['POST /json HTTP/1.1', 'Host: x', 'Connection: close', length, ...headers];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), Buffer.from(body)]);
}

/** Status and body of an answer in the shape of all errors. */
function refusalIn(text: string): unknown {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const { path, error, code, ...others } = JSON.parse(body) as Record<string, unknown>;
  return { status: Number(head.split(' ')[1]), path, code, hasMessage: typeof error === 'string', others };
}

function refused(status: number, code = 'bad-request'): unknown {
  return { status, path: '$', code, hasMessage: true, others: {} };
}

const CHUNKED = 'POST /json HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';

describe('what is no request is refused in the shape of all errors', () => {
  test.each<[name: string, parts: readonly (string | Buffer)[], status: number, code?: string]>([
    ['a malformed request line', ['HELLO\r\n\r\n'], 400],
    ['another protocol', [Buffer.from('\u0016\u0003\u0001\u0002\u0000\u0001')], 400],
    ['headers without end', [`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`], 431],
    ['many headers', [`GET / HTTP/1.1\r\nHost: x\r\n${'X-Header: x\r\n'.repeat(2_000)}\r\n`], 431],
    [
      'so many headers that the last would be left out',
      [
        `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${'a:\r\n'.repeat(998)}X-Hasura-Role: user\r\n\r\n`,
      ],
      431,
    ],
    ['a huge URL', [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`], 431],
    ['a length that is none', ['POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n'], 400],
    [
      'two lengths',
      ['POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12'],
      400,
    ],
    [
      'a length beside chunks',
      ['POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
      400,
    ],
    ['malformed chunks', [CHUNKED, 'x\r\n'], 400],
    ['a malformed URL', ['GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'], 400],
    ['headers that never end', ['GET / HTTP/1.1\r\nHost: x\r\nX-Slow:'], 408, 'timed-out'],
    [
      'a body that never ends',
      ['POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{'],
      408,
      'timed-out',
    ],
    ['a body above the limit', [post([], `"${'x'.repeat(BODY_LIMIT)}"`)], 413],
    ['chunks above the limit', [CHUNKED, `3000\r\n${'x'.repeat(0x3000)}\r\n0\r\n\r\n`], 413],
    ['another charset', [post(['Content-Type: application/json; charset=utf-16'], '{}')], 415],
    ['a packed body', [post(['Content-Encoding: gzip'], gzipSync('{"a":1}'))], 415],
    ['no body', [post([], '')], 400, 'invalid-json'],
    [
      'bytes that are no UTF-8',
      [post([], Buffer.concat([Buffer.from('"'), Buffer.from([0xe9]), Buffer.from('"')]))],
      400,
      'invalid-json',
    ],
    ['half of a character', [post([], '"\\ud83d"')], 400, 'invalid-json'],
    ['a byte order mark', [post([], '\ufeff{}')], 400, 'invalid-json'],
  ])('%s', async (_, parts, status, code) => {
    expect(refusalIn(await answersOf(status === 408 ? hasty : app, parts))).toEqual(refused(status, code));
  });

  test('an expectation that nobody meets', async () => {
    expect(await answersTo(post(['Expect: the-unexpected'], '{}'))).toMatch(/^HTTP\/1.1 417 /);
  });
});

describe('what is a request is answered', () => {
  test.each([
    ['in UTF-8 by name', ['Content-Type: application/json;charset="UTF-8"']],
    ['of any content type', ['Content-Type: text/plain']],
    ['of no content type', []],
    ['of what is no content type', ['Content-Type: json']],
    ['of an empty content type', ['Content-Type: ']],
    ['of no coding by name', ['Content-Encoding: Identity']],
    ['of an empty coding', ['Content-Encoding: ']],
  ])('%s', async (_, headers) => {
    expect(await answersTo(post(headers, '{"a":"ä"}'))).toMatch(/^HTTP\/1.1 200 [^]*\{"a":"ä"\}$/);
  });

  test('with bytes on request, and in chunks', async () => {
    const chunks = `${CHUNKED.replace('Host', 'Expect: 100-continue\r\nHost')}1\r\n[\r\n1\r\n]\r\n0\r\n\r\n`;
    expect(await answersTo(chunks)).toMatch(/^HTTP\/1.1 100 [^]*HTTP\/1.1 200 [^]*\r\n\[\]$/);
  });

  test('one after the other when several come at once', async () => {
    const keep = (body: string): string =>
      `POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const text = await answersTo(Buffer.concat([Buffer.from(keep('[1]') + keep('[2]')), post([], '[3]')]));
    expect([...text.matchAll(/\r\n\r\n(\[\d\])/g)].map(([, body]) => body)).toEqual(['[1]', '[2]', '[3]']);
  });
});

test('what comes over an open connection while the server closes is answered', async () => {
  const closing = server();
  let release: (() => void) | undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let seen = 0;
  closing.server.on('request', () => {
    seen += 1;
  });
  closing.get('/:name', async (request) => {
    await held;
    return request.url;
  });
  await closing.listen({ host: '127.0.0.1', port: 0 });
  const { socket, ended } = opened(closing);
  socket.write('GET /first HTTP/1.1\r\nHost: x\r\n\r\n');
  await vi.waitUntil(() => seen === 1, 60_000);
  const closed = closing.close();
  await vi.waitUntil(() => !closing.server.listening, 60_000);
  socket.write('GET /second HTTP/1.1\r\nHost: x\r\n\r\n');
  await vi.waitUntil(() => seen === 2, 60_000);
  release?.();
  expect(await ended).toMatch(/^HTTP\/1.1 200 [^]*\/firstHTTP\/1.1 200 [^]*\/second$/);
  await closed;
});

describe('bodies that are cheap to send and costly to parse', () => {
  test.each([
    ['brackets', '['.repeat(10_000_000), 'nested deeper than 2000 levels'],
    ['objects', '{"a":'.repeat(2_000_000), 'nested deeper than 2000 levels'],
    ['empty lists', `[${'[],'.repeat(3_000_000)}[]]`, 'more than 1000000 values'],
    ['numbers', `[${'1,'.repeat(5_000_000)}1]`, 'more than 1000000 values'],
  ])('%s are refused before they are parsed', (_, body, problem) => {
    const before = process.cpuUsage();
    expect(() => parseJsonBody(body)).toThrow(
      expect.objectContaining({ code: 'bad-request', message: expect.stringContaining(problem) }),
    );
    expect(process.cpuUsage(before).user).toBeLessThan(1_000_000);
  });

  test('brackets in strings are no nesting, nor are lists side by side', () => {
    const value = { a: '['.repeat(10_000), b: `\\"${'{'.repeat(10_000)}`, c: Array(10_000).fill([]) };
    expect(parseJsonBody(JSON.stringify(value))).toEqual(value);
  });

  test('the last of two members of one name counts, and none is the prototype', () => {
    const read = parseJsonBody('{"a":1,"a":2,"__proto__":{"b":3}}') as Record<string, unknown>;
    expect(Object.entries(read)).toEqual([
      ['a', 2],
      ['__proto__', { b: 3 }],
    ]);
    expect(read['b']).toBeUndefined();
  });
});

describe('what clients send slowly is bounded for all of them together', () => {
  let bounded: FastifyInstance;

  beforeEach(async () => {
    bounded = await listening({ heldBytes: 30_000 });
  });

  afterEach(() => bounded.close());

  /** So much of a body whose rest never comes. */
  const begin = async (
    length: number,
  ): Promise<{ readonly socket: Socket; readonly ended: Promise<string> }> => {
    const client = opened(bounded);
    client.socket.write(
      `POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n${' '.repeat(length)}`,
    );
    // It is read in order: what is answered came behind.
    await once(client.socket, 'ready');
    return client;
  };

  test('whoever takes the longest makes room', async () => {
    const first = await begin(9_000);
    const others = [await begin(9_000), await begin(9_000), await begin(9_000)];
    expect(refusalIn(await first.ended)).toEqual(refused(503, 'timed-out'));
    for (const { socket } of others) socket.end(`${' '.repeat(997)}[]`);
    for (const { ended } of others) expect(await ended).toMatch(/^HTTP\/1.1 200 /);
  });

  test('many small pieces weigh more than their bytes', async () => {
    const { socket, ended } = opened(bounded);
    socket.write(CHUNKED + '1\r\n \r\n'.repeat(200));
    expect(refusalIn(await ended)).toEqual(refused(503, 'timed-out'));
  });

  test('who is gone, refused or answered holds nothing', async () => {
    for (let round = 0; round < 3; round += 1) {
      const clients = [await begin(9_000), await begin(9_000), await begin(9_000)];
      const answers = clients.map(({ socket, ended }, index) => {
        if (index === 0) socket.destroy();
        else socket.end(' '.repeat(997) + (index === 1 ? '[]' : '[['));
        return ended;
      });
      expect((await Promise.all(answers)).map((text) => text.slice(9, 12))).toEqual(['', '200', '400']);
    }
  });
});
