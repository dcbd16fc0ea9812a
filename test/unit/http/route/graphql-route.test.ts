import { EventEmitter, once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { describe, expect, test, vi } from 'vitest';
import { NearjoinError } from '../../../../src/core/errors.ts';
import { lsnFromBits } from '../../../../src/core/position/lsn.ts';
import type { StopSignal } from '../../../../src/core/waiting/stop-signal.ts';
import type { RunContext } from '../../../../src/http/operation/prepare-read.ts';
import { NumberText } from '../../../../src/plan/value/input.ts';
import { SpareBuffers } from '../../../../src/read/wire/spare-buffers.ts';
import { poll } from '../../../support/poll.ts';
import { echo, post, type Run, serverWith } from '../graphql-server.ts';

async function untilAborted(signal: StopSignal): Promise<never> {
  await new Promise<void>((resolve) => signal.addEventListener('abort', resolve));
  throw signal.reason;
}

/** What arrives of an answer; a client that does not stay leaves at the first of it. */
function received(port: number, query: string, stays: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const sender = httpRequest({ host: '127.0.0.1', port, path: '/v1/graphql', method: 'POST' });
    sender.on('error', reject);
    sender.on('response', (response) => {
      let text = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (stays) return;
        resolve(text);
        response.destroy();
      });
      response.on('error', () => undefined);
      response.on('end', () => resolve(text));
    });
    sender.end(JSON.stringify({ query }));
  });
}

/** A client that sends what it is told to, and reads nothing by itself. */
async function connected(app: FastifyInstance): Promise<Socket> {
  if (app.server.address() === null) await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const client = connect(port, '127.0.0.1');
  client.on('error', () => undefined);
  await once(client, 'connect');
  return client;
}

function rawPost(query: string): string {
  const body = JSON.stringify({ query });
  return `POST /v1/graphql HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** How many bytes a client gets until it has enough, or its connection ends. */
function bytesUntil(client: Socket, enough: number): Promise<number> {
  return new Promise((resolve) => {
    let bytes = 0;
    client.on('close', () => resolve(bytes));
    client.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes >= enough) client.destroy();
    });
  });
}

function errorOf(code: string, message: string, path = '$'): unknown {
  return { errors: [{ message, extensions: { path, code } }] };
}

describe('answers', () => {
  test.each([1, 10_000])('an answer goes out byte for byte, %d times as long', async (times) => {
    const value = '[1.00,12345678901234567890, "\\u00e9é💡"],'.repeat(times);
    const body = Buffer.from(`{"data":{"a" :\t[${value}0] }}`);
    const app = await serverWith(async () => ({ kind: 'data', body, targets: [] }));
    const answer = await post(app, { query: '{ a }' });
    // Compared as they are: byte for byte in JavaScript they would take seconds on a busy machine.
    expect(answer.rawPayload.equals(body)).toBe(true);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(body.length),
    });
  });

  test('answers whose memory is used again never show one another, though clients leave halfway', async () => {
    const buffers = new SpareBuffers();
    const run: Run = async ({ query }) => {
      const body = buffers.take(query.length % 3 === 0 ? 6000 : 300_000).fill(query.at(-1) ?? '');
      return { kind: 'data', body, targets: [] };
    };
    const memories = new Set<ArrayBufferLike>();
    const sent = (body: Buffer): void => {
      memories.add(body.buffer);
      buffers.giveBack(body);
    };
    const app = await serverWith(run, { sent });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const client = async (letter: string, stays: boolean): Promise<void> => {
      for (let n = 0; n < 30; n += 1) {
        const got = await received(port, `${'x'.repeat(n)}${letter}`, stays || n % 3 !== 0);
        expect(got.replaceAll(letter, '')).toBe('');
      }
    };
    await Promise.all(Array.from('abcdefghijkl').map((letter, i) => client(letter, i % 2 === 0)));
    // 360 answers at most.
    expect(memories.size).toBeLessThan(180);
  }, 90_000);

  test('a batch is answered in order, each operation for itself', async () => {
    const app = await serverWith(async (request) => {
      if (request.query === 'bad')
        return { kind: 'error', error: new NearjoinError('validation-failed', 'no') };
      return echo(request, {} as RunContext);
    });
    const answer = await post(app, [{ query: 'a' }, { query: 'bad' }, { query: 'c' }]);
    expect(answer.json()).toEqual([
      { data: { query: 'a' } },
      errorOf('validation-failed', 'no'),
      { data: { query: 'c' } },
    ]);
    expect((await post(app, [])).json()).toEqual([]);
  });

  test('of a batch whose first answer is too long no more is run than what began with it', async () => {
    const run = vi.fn(echo);
    const app = await serverWith(run, { batchLimit: 40 });
    const answers = await post(app, Array(40).fill({ query: 'x'.repeat(120) }));
    const message = 'the answers of the batch are longer than 110 bytes together; ask for them one by one';
    expect(answers.json()[39]).toEqual(errorOf('result-too-large', message));
    expect(run).toHaveBeenCalledTimes(4);
  });

  test('freshness is reported in headers, and in the body when asked', async () => {
    const targets = [
      {
        source: 'pg1',
        target: 'pg2',
        route: 'cache',
        reason: 'hit',
        detail: 'fresh',
        stalenessMs: 5,
        position: lsnFromBits(255n),
        history: null,
      } as const,
    ];
    const app = await serverWith(async () => ({ kind: 'data', body: Buffer.from('{"data":{}}'), targets }));
    const answer = await post(app, { query: '{ a }' }, { 'x-nearjoin-extensions': 'true' });
    expect(answer.headers).toMatchObject({
      'cache-status': 'nearjoin-pg2;hit;detail="staleness_ms=5 lsn=0/FF"',
      'x-nearjoin-token': 'pg2:0/FF',
    });
    expect(answer.json()).toEqual({
      data: {},
      extensions: { nearjoin: { pg2: { route: 'cache', reason: 'fresh', staleness_ms: 5, lsn: '0/FF' } } },
    });
  });

  test.each([
    ['validation-failed', 400],
    ['not-fresh', 503],
    ['access-denied', 401],
  ] as const)('with application/graphql-response+json %s has status %i', async (code, status) => {
    const app = await serverWith(async () => ({ kind: 'error', error: new NearjoinError(code, 'x') }));
    expect((await post(app, { query: '{ a }' })).statusCode).toBe(200);
    const answer = await post(app, { query: '{ a }' }, { accept: 'Application/GraphQL-Response+JSON' });
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toBe('application/graphql-response+json; charset=utf-8');
    const refused = { accept: 'application/graphql-response+json;q=0.5, application/json' };
    expect((await post(app, { query: '{ a }' }, refused)).statusCode).toBe(200);
  });

  test('an unforeseen failure shows nothing of itself', async () => {
    const app = await serverWith(async () => {
      throw new Error('row (1, secret)');
    });
    expect((await post(app, { query: '{ a }' })).json()).toEqual(errorOf('unexpected', 'internal error'));
  });
});

describe('requests', () => {
  test.each([
    ['{"query": ', 'invalid-json', '$'],
    ['', 'invalid-json', '$'],
    ['"hello"', 'parse-failed', '$'],
    ['null', 'parse-failed', '$'],
    ['{}', 'parse-failed', '$'],
    ['{"query": ["{a}"]}', 'parse-failed', '$.query'],
    ['{"query": "{a}", "variables": []}', 'parse-failed', '$.variables'],
    ['{"query": "{a}", "operationName": 1}', 'parse-failed', '$.operationName'],
    ['[{"query": "{a}"}, 1]', 'parse-failed', '$[1]'],
    ['[1,2,3,4]', 'bad-request', '$'],
  ])('%s is refused as %s', async (payload, code, path) => {
    const answer = await post(await serverWith(echo), payload);
    expect({ status: answer.statusCode, extensions: answer.json().errors[0].extensions }).toEqual({
      status: 200,
      extensions: { path, code },
    });
  });

  test('unknown members, null variables and null extensions are fine', async () => {
    const body = { query: '{ a }', variables: null, extensions: null, operationName: null, id: 7 };
    expect((await post(await serverWith(echo), body)).json()).toEqual({ data: { query: '{ a }' } });
  });

  test('persisted queries are refused as Hasura does', async () => {
    const body = { query: '{ a }', extensions: { persistedQuery: { version: 1 } } };
    expect((await post(await serverWith(echo), body)).json()).toEqual(
      errorOf('not-supported', 'Automatic Persisted Queries is not enabled'),
    );
  });

  test('big integers in variables keep every digit', async () => {
    let seen: unknown;
    const app = await serverWith(async (request) => {
      seen = request.variables;
      return { kind: 'data', body: Buffer.from('{"data":{}}'), targets: [] };
    });
    await post(app, '{"query":"query ($id: bigint) { a }","variables":{"id":9007199254740993}}');
    expect(seen).toEqual({ id: new NumberText('9007199254740993') });
  });

  test('any content type is read as JSON', async () => {
    const app = await serverWith(echo);
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/json; charset=utf-8',
    ]) {
      expect((await post(app, '{"query":"{ a }"}', { 'content-type': type })).json()).toEqual({
        data: { query: '{ a }' },
      });
    }
  });

  test('a body past the limit is refused', async () => {
    const answer = await post(await serverWith(echo), { query: 'x'.repeat(20_000) });
    expect({ status: answer.statusCode, code: answer.json().code }).toEqual({
      status: 413,
      code: 'bad-request',
    });
  });

  test('who may not come in is told so with status 200', async () => {
    const answer = await post(await serverWith(echo, { adminSecrets: ['s'] }), { query: '{ a }' });
    expect({ status: answer.statusCode, body: answer.json() }).toEqual({
      status: 200,
      body: errorOf('access-denied', 'x-hasura-admin-secret/x-hasura-access-key required, but not found'),
    });
  });
});

describe('no way around', () => {
  test.each([
    ['application/graphql', '{ _ }'],
    ['application/json', '{"query":"{ _ }"}'],
    ['application/json', '{"query":"{ __typename }","persisted":true}'],
    ['', '{"query":"{ _ }"}'],
  ])('Mercurius never answers a POST of %s', async (type, payload) => {
    let runs = 0;
    const app = await serverWith(async (request) => {
      runs += 1;
      return echo(request, {} as RunContext);
    });
    app.graphql = Object.assign(() => Promise.reject(new Error('Mercurius was reached')), app.graphql);
    const answer = await post(app, payload, { 'content-type': type });
    expect({ runs, data: typeof answer.json().data.query }).toEqual({ runs: 1, data: 'string' });
  });

  test.each(['GET', 'HEAD', 'PUT', 'DELETE'] as const)('%s is not served', async (method) => {
    const app = await serverWith(async () => {
      throw new Error('must not run');
    });
    const answer = await app.inject({ method, url: '/v1/graphql?query={_}' });
    expect(answer.statusCode).toBe(404);
    if (method !== 'HEAD')
      expect(answer.json()).toEqual({ path: '$', error: 'resource does not exist', code: 'not-found' });
  });

  test('there is no GraphiQL and no other route', async () => {
    const app = await serverWith(echo);
    for (const url of ['/graphiql', '/graphql', '/v1/graphql/', '/nope']) {
      expect((await app.inject({ url })).statusCode).toBe(404);
    }
  });
});

describe('the life of a request', () => {
  test('work is aborted when the client goes away', async () => {
    const life = new EventEmitter();
    const [started, aborted] = [once(life, 'started'), once(life, 'aborted')];
    const app = await serverWith(async (_request, { signal }) => {
      life.emit('started');
      await new Promise<void>((resolve) => signal.addEventListener('abort', resolve));
      life.emit('aborted', signal.reason);
      throw signal.reason;
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const client = httpRequest({ host: '127.0.0.1', port, path: '/v1/graphql', method: 'POST' });
    client.on('error', () => undefined);
    client.end('{"query":"{ a }"}');
    await started;
    client.destroy();
    expect(await aborted).toMatchObject([{ code: 'timed-out' }]);
  });

  test('what it has asked for behind an answer that was still to come is not begun', async () => {
    const signals: StopSignal[] = [];
    const app = await serverWith(async (_request, { signal }) => {
      signals.push(signal);
      return await untilAborted(signal);
    });
    const client = await connected(app);
    client.write(rawPost('{ a }') + rawPost('{ b }'));
    await poll('the first to be worked on', async () => signals.length === 1);
    client.destroy();
    await poll('that to be given up', async () => signals.every(({ aborted }) => aborted));
    await app.close();
    expect(signals).toHaveLength(1);
  });

  test('who has had a large answer for the longest is cut off when there is no room for another', async () => {
    const body = Buffer.alloc(16_000_000, ' ');
    let answered = 0;
    const run: Run = async () => {
      answered += 1;
      return { kind: 'data', body, targets: [] };
    };
    const app = await serverWith(run, { unsentLimitBytes: 40_000_000 });
    const slow = [await connected(app), await connected(app)];
    for (const [index, client] of slow.entries()) {
      client.write(rawPost('{ a }'));
      await poll('an answer to be on its way', async () => answered === index + 1);
    }
    const { port } = app.server.address() as AddressInfo;
    expect((await received(port, '{ b }', true)).length).toBe(body.length);
    const [longest, other] = await Promise.all(slow.map((client) => bytesUntil(client, body.length)));
    expect(longest).toBeLessThan(body.length);
    expect(other).toBeGreaterThanOrEqual(body.length);
  });

  test('work is aborted when the time is up', async () => {
    const app = await serverWith((_request, { signal }) => untilAborted(signal), { requestTimeoutMs: 20 });
    expect((await post(app, { query: '{ a }' })).json()).toEqual(
      errorOf('timed-out', 'the request took longer than 20 ms'),
    );
  });
});
