import { describe, expect, test } from 'vitest';
import { Operations } from '../../../src/graphql/operations.ts';
import { DEFAULT_PLAN_LIMITS } from '../../../src/plan/budget.ts';
import { catalogOf } from '../../support/catalog.ts';

const EMPTY = catalogOf({});

function cache(): { operations: Operations<number>; compiled: () => number } {
  let compiled = 0;
  const operations = new Operations<number>({
    documents: { maxDocuments: 10, maxKeptTokens: 2_000, maxTokens: 500 },
    plans: { maxPlans: 10, maxKeptNodes: 2_000 },
    limits: DEFAULT_PLAN_LIMITS,
    compile: () => {
      compiled += 1;
      return compiled;
    },
    allowList: null,
  });
  return { operations, compiled: () => compiled };
}

function prepare(operations: Operations<number>, query: string, over: object = {}): unknown {
  return operations.prepare({
    query,
    operationName: null,
    variables: {},
    role: 'admin',
    catalog: EMPTY,
    over: 'http',
    ...over,
  }).compiled;
}

describe('the operation cache', () => {
  test('an operation is planned once per role, catalog and variable shape', () => {
    const { operations, compiled } = cache();
    const query = 'query ($on: Boolean!) { __typename @include(if: $on) }';
    const on = { variables: { on: true } };
    prepare(operations, query, on);
    prepare(operations, query, on);
    expect(compiled()).toBe(1);
    prepare(operations, query, { variables: { on: false } });
    prepare(operations, query, { ...on, role: 'user' });
    prepare(operations, query, { ...on, catalog: { ...EMPTY, generation: 2 } });
    expect(compiled()).toBe(4);
  });

  test('what is kept is weighed: a few large texts and plans push out the others', () => {
    const { operations, compiled } = cache();
    const small = '{ __typename }';
    const long = (from: number): string =>
      `{ ${Array.from({ length: 150 }, (_, i) => `a${from}_${i}:__typename`).join(' ')} }`;
    prepare(operations, small);
    for (let text = 0; text < 6; text += 1) prepare(operations, long(text));
    expect(compiled()).toBe(7);
    prepare(operations, long(5));
    expect(compiled()).toBe(7);
    prepare(operations, small);
    expect(compiled()).toBe(8);
  });

  test('a text of space and comments is weighed too', () => {
    const { operations, compiled } = cache();
    const padded = `{ __typename } #${' a'.repeat(100_000)}`;
    prepare(operations, padded);
    prepare(operations, padded);
    expect(compiled()).toBe(2);
  });

  test('a plan far larger than its text is kept by its own size', () => {
    const { operations, compiled } = cache();
    const wide = Array.from({ length: 150 }, (_, i) => `a${i}:__typename`).join(' ');
    const query = `query ($b: Boolean!) { a:__typename @include(if: $b) ...f } fragment f on query_root { ${wide} }`;
    for (let role = 0; role < 20; role += 1)
      prepare(operations, query, { role: `r${role}`, variables: { b: true } });
    prepare(operations, query, { role: 'r0', variables: { b: true } });
    expect(compiled()).toBe(21);
  });

  test('operations of one document have plans of their own', () => {
    const { operations, compiled } = cache();
    const query = 'query A { __typename } query B { b: __typename }';
    expect(prepare(operations, query, { operationName: 'A' })).not.toBe(
      prepare(operations, query, { operationName: 'B' }),
    );
    expect(compiled()).toBe(2);
  });

  test('a changing token in @freshness plans nothing anew', () => {
    const { operations, compiled } = cache();
    const query = 'query ($t: String) @freshness(token: $t, fallback: wait) { __typename }';
    for (const t of ['pg2:0/1', 'pg2:0/2']) {
      const prepared = operations.prepare({
        query,
        operationName: null,
        variables: { t },
        role: 'admin',
        catalog: EMPTY,
        over: 'http',
      });
      expect(prepared.freshness).toEqual({ maxStalenessMs: null, fallback: 'wait', token: t });
    }
    expect(compiled()).toBe(1);
  });

  test.each([
    ['{ a', null, 'not a valid graphql query', '$.query'],
    ['', null, 'not a valid graphql query', '$.query'],
    ['type A { a: Int }', null, 'not a valid graphql query', '$.query'],
    ['{ a(limit: 1, limit: 2) }', null, 'not a valid graphql query', '$.query'],
    ['{ __typename ... { a(where: [{b: {c: 1, c: 1}}]) } }', null, 'not a valid graphql query', '$.query'],
    ['{ __typename @include(if: true, if: false) }', null, 'not a valid graphql query', '$.query'],
    ['query ($a: jsonb = {b: 1, b: 2}) { __typename }', null, 'not a valid graphql query', '$.query'],
    ['query A { __typename } query B { a(b: 1, b: 1) }', 'A', 'not a valid graphql query', '$.query'],
    ['{ __typename } fragment F on a { b { c(d: 1, d: 1) } }', null, 'not a valid graphql query', '$.query'],
    [
      'query A { __typename } query A { a } query B { a }',
      'A',
      'multiple definitions for operation "A"',
      '$',
    ],
    [
      'fragment F on query_root { __typename }',
      null,
      'exactly one operation has to be present in the document when operationName is not specified',
      '$',
    ],
    [
      'query A { __typename } query B { __typename }',
      null,
      'exactly one operation has to be present in the document when operationName is not specified',
      '$',
    ],
    ['query A { __typename }', 'B', 'no such operation found in the document: "B"', '$'],
    [
      '{ __typename }',
      'B',
      'operationName cannot be used when an anonymous operation exists in the document',
      '$',
    ],
    ['mutation { a }', null, 'no mutations exist', '$'],
  ])('%j with operation %j is refused', (query, operationName, message, path) => {
    expect(() => prepare(cache().operations, query, { operationName })).toThrow(
      expect.objectContaining({ code: 'validation-failed', message, path }),
    );
  });

  test('a subscription over plain HTTP is refused', () => {
    expect(() => prepare(cache().operations, 'subscription { a }')).toThrow(
      expect.objectContaining({ code: 'unexpected-payload' }),
    );
    expect(() => prepare(cache().operations, 'subscription { a }', { over: 'socket' })).toThrow(
      expect.objectContaining({ message: "field 'a' not found in type: 'subscription_root'" }),
    );
  });

  test.each([
    ['too many tokens', `{ ${'a '.repeat(1000)} }`],
    ['lists without end', `{ a(b: ${'['.repeat(400)}) }`],
  ])('%s cost nothing but an error', (_, query) => {
    expect(() => prepare(cache().operations, query)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^(query-too-complex|validation-failed)$/) }),
    );
  });
});

describe('@freshness', () => {
  function read(query: string, variables: Readonly<Record<string, unknown>> = {}): unknown {
    const { operations } = cache();
    const asked = { query, operationName: null, variables, role: 'admin', catalog: EMPTY };
    return operations.prepare({ ...asked, over: 'http' }).freshness;
  }

  test('arguments may be literals or variables', () => {
    expect(read('{ __typename }')).toBeNull();
    expect(
      read('query @freshness(max_staleness_ms: 5, fallback: stale, token: "pg2:0/1") { __typename }'),
    ).toEqual({ maxStalenessMs: 5, fallback: 'stale', token: 'pg2:0/1' });
    const query =
      'query ($a: Int, $b: freshness_fallback, $c: String) @freshness(max_staleness_ms: $a, fallback: $b, token: $c) { __typename }';
    expect(read(query, { a: 7, b: 'wait' })).toEqual({ maxStalenessMs: 7, fallback: 'wait', token: null });
  });

  const BOUND = "expected a non-negative 32-bit integer for type 'Int', but found";
  test.each([
    ['max_staleness_ms: -1', '.args.max_staleness_ms', `${BOUND} an integer`],
    ['max_staleness_ms: "5"', '.args.max_staleness_ms', `${BOUND} a string`],
    ['max_staleness_ms: 1.5', '.args.max_staleness_ms', `${BOUND} a float`],
    [
      'max_staleness_ms: $s',
      '.args.max_staleness_ms',
      "variable 's' is declared as 'String', but used where 'Int' is expected",
    ],
    [
      'fallback: never',
      '.args.fallback',
      "expected one of the values ['live', 'wait', 'stale', 'error'] for type 'freshness_fallback', but found 'never'",
    ],
    [
      'fallback: "stale"',
      '.args.fallback',
      "expected an enum value for type 'freshness_fallback', but found a string",
    ],
    ['token: 5', '.args.token', "expected a string for type 'String', but found an integer"],
    ['bound: 5', '', "'freshness' has no argument named 'bound'"],
  ])('%s is refused where it stands', (argument, path, message) => {
    expect(() => read(`query ($s: String) @freshness(${argument}) { __typename }`)).toThrow(
      expect.objectContaining({ code: 'validation-failed', path: `$.freshness${path}`, message }),
    );
  });
});
