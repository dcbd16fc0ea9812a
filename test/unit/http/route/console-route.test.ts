import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { type FastifyInstance, fastify } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registerConsole } from '../../../../src/http/route/console-route.ts';

const DIRECTORY = fileURLToPath(new URL('../../../../src/console/', import.meta.url));

let app: FastifyInstance;

beforeEach(() => {
  app = fastify();
  registerConsole(app);
});

afterEach(() => app.close());

describe('the console', () => {
  test('its page is served at every path below, with a policy that runs nothing but its own scripts', async () => {
    for (const url of ['/console', '/console/', '/console/data/anything']) {
      const { statusCode, headers, body } = await app.inject({ url });
      expect([statusCode, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
      expect(headers['content-security-policy']).toContain("script-src 'self';");
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(body).toContain('<title>nearjoin console</title>');
    }
    expect((await app.inject({ url: '/' })).headers.location).toBe('/console');
  });

  test('the page has no script or style of its own, and asks for nothing from elsewhere', () => {
    for (const name of readdirSync(DIRECTORY)) {
      const text = readFileSync(`${DIRECTORY}${name}`, 'utf8').replaceAll('http://www.w3.org/2000/svg', '');
      expect(text, name).not.toMatch(
        /https?:\/\/|@import|<script(?![^>]*\bsrc=)|\son\w+="|\sstyle="|innerHTML/,
      );
    }
  });

  test('its rules for bare elements and roles are for its own parts, not for the editor that is on the page too', () => {
    const rules = readFileSync(`${DIRECTORY}console.css`, 'utf8').replaceAll(/\/\*.*?\*\//gs, '');
    const ours =
      /^(?:@media .*|:root|\*|\[hidden\]|html|body|main|main > .*|[.#].*|dl\.facts.*|svg\.history.*|:where\(\..*)$/;
    const selectors = [...rules.matchAll(/^([^\s{}][^{}\n]*?)(?:,| \{)$/gm)].map(([, selector]) => selector);
    expect(selectors.length).toBeGreaterThan(20);
    for (const selector of selectors) expect(selector).toMatch(ours);
  });

  test('every file the page and its scripts name is served', async () => {
    const own = readdirSync(DIRECTORY);
    for (const name of own) {
      const { statusCode, body } = await app.inject({ url: `/console/assets/${name}` });
      expect([name, statusCode, body]).toEqual([name, 200, readFileSync(`${DIRECTORY}${name}`, 'utf8')]);
      for (const [, imported = ''] of body.matchAll(/from '\.\/([^']+)'/g)) expect(own).toContain(imported);
    }
  });

  test('files are packed for who takes that, and not sent again', async () => {
    const url = '/console/assets/console.css';
    const packed = await app.inject({ url, headers: { 'accept-encoding': 'br, gzip' } });
    expect(packed.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(packed.rawPayload).toString()).toBe((await app.inject({ url })).body);
    const again = await app.inject({ url, headers: { 'if-none-match': String(packed.headers.etag) } });
    expect([again.statusCode, again.body]).toEqual([304, '']);
  });

  test.each(['../api.ts', '..%2fapi.ts', '%2e%2e/api.ts', 'vendor/none.js', 'none', ''])(
    'nothing else is: %j',
    async (name) => {
      const { body } = await app.inject({ url: `/console/assets/${name}` });
      expect(body).not.toContain('import');
    },
  );
});

test('sizes and times read well, and unknown is never zero', async () => {
  const facts = await import(new URL('replication-facts.js', `file://${DIRECTORY}`).href);
  expect([null, 0, 999, 1500, 119_999, 600_000].map(facts.duration)).toEqual([
    'unknown',
    '0 ms',
    '999 ms',
    '1.5 s',
    '120.0 s',
    '10 min',
  ]);
  expect([null, 0, 1023, 1536, 5 * 1024 ** 3].map(facts.bytes)).toEqual([
    'unknown',
    '0 B',
    '1023 B',
    '1.5 kB',
    '5.0 GB',
  ]);
  expect(['streaming', 'ready', 'copying', 'failed'].map(facts.stateTone)).toEqual([
    'good',
    'good',
    'warn',
    'bad',
  ]);
});
