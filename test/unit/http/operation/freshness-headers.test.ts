import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatLsn, lsnFromBits } from '../../../../src/core/position/lsn.ts';
import {
  answerToken,
  cacheStatus,
  nearjoinExtension,
} from '../../../../src/http/operation/freshness-answer.ts';
import {
  freshnessOf,
  readCacheControl,
  readTokens,
  withDirective,
} from '../../../../src/http/operation/freshness-headers.ts';
import type { TargetReport } from '../../../../src/read/freshness.ts';

const lsn = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map(lsnFromBits);

function report(over: Partial<TargetReport>): TargetReport {
  return {
    target: 'pg2',
    route: 'cache',
    reason: 'hit',
    detail: 'fresh',
    stalenessMs: 12,
    position: lsnFromBits(0x16b3748n),
    history: '7576.1',
    ...over,
  };
}

describe('request headers', () => {
  test('no header asks for nothing', () => {
    expect(freshnessOf({ 'content-type': 'application/json' })).toEqual({
      noCache: false,
      maxStalenessMs: null,
      fallback: null,
      tokens: new Map(),
    });
  });

  test.each([
    ['no-cache', true, null],
    ['No-Cache', true, null],
    ['max-age=5', false, 5000],
    ['max-age="5"', false, 5000],
    ['no-store, max-age=0', false, 0],
    ['max-age=99999999999', false, 2_147_483_647],
    ['max-age=1, max-age=9', false, 1000],
    ['max-age=9, max-age=1', false, 1000],
    ['max-age=x', false, null],
    ['x-max-age=3', false, null],
    ['', false, null],
  ])('Cache-Control: %s', (header, noCache, maxAgeMs) => {
    expect(readCacheControl(header)).toEqual({ noCache, maxAgeMs });
  });

  test.each([
    ['cache-control', 'no-cache', { noCache: true }],
    ['cache-control', 'max-age=9', { maxStalenessMs: 9000 }],
    ['x-nearjoin-max-staleness', ' 250 ', { maxStalenessMs: 250 }],
    ['x-nearjoin-fallback', ' Stale ', { fallback: 'stale' }],
    ['x-nearjoin-token', ' p : 0/1 , ', { tokens: new Map([['p', { position: 1n, history: null }]]) }],
  ])('%s: %s counts alone', (name, value, asked) => {
    expect(freshnessOf({ [name]: value })).toEqual({ ...freshnessOf({}), ...asked });
  });

  test('our own bound wins over max-age', () => {
    const asked = freshnessOf({ 'cache-control': 'max-age=9', 'x-nearjoin-max-staleness': '250' });
    expect(asked.maxStalenessMs).toBe(250);
  });

  test.each([
    ['x-nearjoin-max-staleness', '-1'],
    ['x-nearjoin-max-staleness', '1.5'],
    ['x-nearjoin-max-staleness', ''],
    ['x-nearjoin-fallback', 'maybe'],
    ['x-nearjoin-token', 'pg2'],
    ['x-nearjoin-token', 'pg2:16B3748'],
    ['x-nearjoin-token', ':0/1'],
    ['x-nearjoin-token', '%zz:0/1'],
    ['x-nearjoin-token', 'pg2:0/1@'],
    ['x-nearjoin-token', 'pg2:0/1@7.1@7.2'],
    ['x-nearjoin-token', 'pg2:0/1@x.1'],
  ])('%s: %s is an invalid-headers error', (name, value) => {
    expect(() => freshnessOf({ [name]: value })).toThrow(
      expect.objectContaining({ code: 'invalid-headers' }),
    );
  });

  test('reading tokens never throws anything but a coded error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          readTokens(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid-headers' });
        }
      }),
    );
  });

  test.each([
    ['pg2:0/5, pg2:0/3', { position: 5n, history: null }],
    ['pg2:0/3@7.1, pg2:0/5', { position: 5n, history: '7.1' }],
    ['pg2:0/5, pg2:0/3@7.1', { position: 5n, history: '7.1' }],
  ])('of several positions of a target all are wanted: %s', (text, token) => {
    expect(readTokens(text)).toEqual(new Map([['pg2', token]]));
  });

  test.each(['pg2:0/5@7.1, pg2:0/3@7.2', 'pg2:0/5@7.2, pg2:0/3, pg2:0/9@7.1', 'pg2:0/1@7.1,pg2:0/1@8.1'])(
    'no answer contains positions of different histories: %s',
    (text) => {
      expect(() => readTokens(text)).toThrow(
        expect.objectContaining({
          code: 'position-unknown',
          message: 'the token\'s positions on "pg2" belong to different histories',
        }),
      );
    },
  );

  test('Cache-Control of any text is read without an error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const { maxAgeMs } = readCacheControl(text);
        expect(maxAgeMs === null || (Number.isInteger(maxAgeMs) && maxAgeMs >= 0)).toBe(true);
      }),
    );
  });

  test('the directive wins member by member, and its bound overrules no-cache', () => {
    const asked = freshnessOf({
      'cache-control': 'no-cache',
      'x-nearjoin-fallback': 'stale',
      'x-nearjoin-token': 'pg2:0/1',
    });
    expect(withDirective(asked, { maxStalenessMs: 50, fallback: null, token: null })).toEqual({
      noCache: false,
      maxStalenessMs: 50,
      fallback: 'stale',
      tokens: new Map([['pg2', { position: 1n, history: null }]]),
    });
    expect(withDirective(asked, { maxStalenessMs: null, fallback: 'wait', token: 'pg3:0/2' })).toEqual({
      noCache: true,
      maxStalenessMs: null,
      fallback: 'wait',
      tokens: new Map([['pg3', { position: 2n, history: null }]]),
    });
    expect(withDirective(asked, null)).toBe(asked);
    const aged = freshnessOf({ 'cache-control': 'max-age=9' });
    expect(withDirective(aged, { maxStalenessMs: null, fallback: null, token: null })).toEqual(aged);
  });
});

test('a malformed token in the directive is no matter of headers', () => {
  const directive = { maxStalenessMs: null, fallback: null, token: 'pg2' };
  expect(() => withDirective(freshnessOf({}), directive)).toThrow(
    expect.objectContaining({
      code: 'validation-failed',
      path: '$.freshness.args.token',
      message: 'expected source:lsn pairs like pg2:0/16B3748',
    }),
  );
});

describe('answer headers', () => {
  test('a cache hit has its staleness and position', () => {
    expect(cacheStatus([report({})])).toBe('nearjoin-pg2;hit;detail="staleness_ms=12 lsn=0/16B3748"');
  });

  test.each(['stale', 'miss', 'request', 'bypass'] as const)('a live answer says fwd=%s', (reason) => {
    expect(cacheStatus([report({ route: 'live', reason })])).toBe(`nearjoin-pg2;fwd=${reason}`);
  });

  test('one member per target: the live one, else the older', () => {
    const reports = [
      report({ stalenessMs: 3 }),
      report({ stalenessMs: 40 }),
      report({ target: 'pg3' }),
      report({ target: 'pg3', route: 'live', reason: 'stale' }),
    ];
    const told = ['nearjoin-pg2;hit;detail="staleness_ms=40 lsn=0/16B3748"', 'nearjoin-pg3;fwd=stale'];
    expect(cacheStatus(reports)).toBe(told.join(', '));
    expect(cacheStatus(reports.toReversed())).toBe(told.toReversed().join(', '));
    const unknown = [report({ stalenessMs: null }), report({})];
    for (const both of [unknown, unknown.toReversed()])
      expect(cacheStatus(both)).toBe('nearjoin-pg2;hit;detail="lsn=0/16B3748"');
  });

  test.each<[Partial<TargetReport>, string]>([
    [{ stalenessMs: null }, ';detail="lsn=0/16B3748"'],
    [{ position: null }, ';detail="staleness_ms=12"'],
    [{ stalenessMs: null, position: null }, ''],
  ])('a hit tells what is known of it: %j', (over, detail) => {
    expect(cacheStatus([report(over)])).toBe(`nearjoin-pg2;hit${detail}`);
  });

  test('nothing remote, no header', () => {
    expect(cacheStatus([])).toBeNull();
    expect(answerToken([], new Map(), true)).toBeNull();
  });

  test('any target name makes a header that Node accepts and a token that reads back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), lsn, (target, position) => {
        const status = cacheStatus([report({ target, position })]) ?? '';
        expect(status).toMatch(
          /^(?:"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"|[A-Za-z*][A-Za-z0-9:/!#$%&'*+\-.^_`|~]*);hit;detail="[^"]*"$/,
        );
        const token = answerToken([report({ target, position })], new Map(), true) ?? '';
        expect(token).toMatch(/^[\x21-\x7e]*$/);
        expect(readTokens(token)).toEqual(new Map([[target, { position, history: '7576.1' }]]));
      }),
    );
  });

  test('the token names what the answer contains, also where a directive asked for less than the headers', () => {
    fc.assert(
      fc.property(lsn, lsn, (asked, contained) => {
        const token = { position: asked, history: '7576.1' };
        const answer = answerToken([report({ position: contained })], new Map([['pg2', token]]), false);
        expect(answer).toBe(`pg2:${formatLsn(contained)}`);
      }),
    );
  });

  test('of several answers the token names the latest, beside what was asked of targets that none of them read', () => {
    const asked = readTokens('pg2:0/2@7576.1,pg3:0/5');
    const read = (position: bigint) => report({ position: lsnFromBits(position), history: null });
    expect(answerToken([read(2n), read(9n), read(4n)], asked, true)).toBe('pg2:0/9@7576.1,pg3:0/5');
  });

  test("a live answer without a position still passes the client's tokens on", () => {
    const asked = readTokens('pg3:0/5');
    expect(answerToken([report({ route: 'live', position: null })], asked, true)).toBe('pg3:0/5');
  });

  test('the extension tells route, reason, staleness and position per target', () => {
    expect(
      nearjoinExtension([
        report({}),
        report({
          target: 'pg3',
          route: 'live',
          reason: 'stale',
          detail: 'lagging',
          stalenessMs: 0,
          position: null,
        }),
      ]),
    ).toEqual({
      pg2: { route: 'cache', reason: 'fresh', staleness_ms: 12, lsn: '0/16B3748' },
      pg3: { route: 'live', reason: 'lagging', staleness_ms: 0, lsn: null },
    });
  });
});
