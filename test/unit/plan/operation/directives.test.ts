import { expect, test } from 'vitest';
import { printed, refusal } from '../plan-for.ts';

interface Case {
  readonly name: string;
  readonly query: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly path: string;
  readonly message: string;
  readonly code?: string;
}

const OUT_OF_BOUNDS =
  'lies outside the bounds or is not an integer. Maybe it is a float, or is there integer overflow?';

const CACHED: readonly Case[] = [
  {
    name: 'a ttl in a string',
    query: 'query @cached(ttl: "60") { order { id } }',
    path: '$.cached.args.ttl',
    message: "expected a 32-bit integer for type 'Int', but found a string",
  },
  {
    name: 'a ttl that is a float',
    query: 'query @cached(ttl: 60.0) { order { id } }',
    path: '$.cached.args.ttl',
    message: "expected a 32-bit integer for type 'Int', but found a float",
  },
  {
    name: 'a ttl that is null',
    query: 'query @cached(ttl: null) { order { id } }',
    path: '$.cached.args.ttl',
    message: "expected a 32-bit integer for type 'Int', but found null",
  },
  {
    name: 'a ttl that no Int can hold',
    query: 'query @cached(ttl: 2147483648) { order { id } }',
    path: '$.cached.args.ttl',
    code: 'parse-failed',
    message: `The value 2.147483648e9 ${OUT_OF_BOUNDS}`,
  },
  {
    name: 'a ttl in a variable without a value',
    query: 'query ($s: Int) @cached(ttl: $s) { order { id } }',
    path: '$.cached.args.ttl',
    message: "expected a 32-bit integer for type 'Int', but found null",
  },
  {
    name: 'a ttl in a variable of another type',
    query: 'query ($s: String!) @cached(ttl: $s) { order { id } }',
    variables: { s: '60' },
    path: '$.cached.args.ttl',
    message: "variable 's' is declared as 'String!', but used where 'Int' is expected",
  },
  {
    name: 'an undeclared variable',
    query: 'query @cached(ttl: $s) { order { id } }',
    path: '$',
    message: 'unbound variable "s"',
  },
  {
    name: 'a refresh that is a number',
    query: 'query @cached(ttl: 60, refresh: 1) { order { id } }',
    path: '$.cached.args.refresh',
    message: "expected a boolean for type 'Boolean', but found an integer",
  },
  {
    name: 'an unknown argument',
    query: 'query @cached(forever: true) { order { id } }',
    path: '$.cached',
    message: "'cached' has no argument named 'forever'",
  },
];

const SELECTING: readonly Case[] = [
  {
    name: 'a condition in a string',
    query: '{ order { id @include(if: "true") } }',
    path: '$.selectionSet.order.selectionSet.include.args.if',
    message: "expected a boolean for type 'Boolean', but found a string",
  },
  {
    name: 'a condition that is null',
    query: '{ order { id @skip(if: null) } }',
    path: '$.selectionSet.order.selectionSet.skip.args.if',
    message: "expected a boolean for type 'Boolean', but found null",
  },
  {
    name: 'no condition',
    query: '{ order { id @skip } }',
    path: '$.selectionSet.order.selectionSet.skip.args.if',
    message: "missing required field 'if'",
  },
  {
    name: 'a condition in a variable that may be null',
    query: 'query ($yes: Boolean) { order { id @include(if: $yes) } }',
    variables: { yes: true },
    path: '$.selectionSet.order.selectionSet.include.args.if',
    message: "variable 'yes' is declared as 'Boolean', but used where 'Boolean!' is expected",
  },
  {
    name: 'a null in a variable with a default',
    query: 'query ($yes: Boolean = true) { order { id @include(if: $yes) } }',
    variables: { yes: null },
    path: '$.selectionSet.order.selectionSet.include.args.if',
    message: "expected a boolean for type 'Boolean', but found null",
  },
  {
    name: 'a wrong condition beside one that has said no',
    query: '{ order { id @skip(if: true) @include(if: 1) } }',
    path: '$.selectionSet.order.selectionSet.include.args.if',
    message: "expected a boolean for type 'Boolean', but found an integer",
  },
];

const STANDING: readonly Case[] = [
  {
    name: 'an unknown directive',
    query: '{ order { id @exclude(if: true) } }',
    path: '$.selectionSet.order.selectionSet',
    message: "directive 'exclude' is not defined in the schema",
  },
  {
    name: 'a repeated directive',
    query: '{ order { id @include(if: true) @include(if: true) } }',
    path: '$.selectionSet.order.selectionSet',
    message: "the following directives are used more than once: ['include']",
  },
  {
    name: 'a misplaced directive',
    query: 'query @include(if: true) { order { id } }',
    path: '$',
    message: "directive 'include' is not allowed on a query",
  },
  {
    name: 'a cache on a subscription',
    query: 'subscription @cached { order { id } }',
    path: '$',
    message: "directive 'cached' is not allowed on a subscription",
  },
  {
    name: 'a directive on a fragment definition',
    query: '{ order { ...f } } fragment f on order @include(if: true) { id }',
    path: '$.selectionSet.order.selectionSet.f',
    message: "directive 'include' is not allowed on a fragment definition",
  },
  {
    name: 'a directive on a variable',
    query: 'query ($n: Int @deprecated) { order(limit: $n) { id } }',
    path: '$',
    message: "directive 'deprecated' is not defined in the schema",
  },
];

test.each([...CACHED, ...SELECTING, ...STANDING])('refused where it stands: $name', (refused) => {
  const { name: _name, code = 'validation-failed', path, message, ...asked } = refused;
  expect(refusal(asked)).toEqual({ code, path, message });
});

test('@cached changes nothing, whatever it asks for', () => {
  const query = 'query ($s: Int!, $r: Boolean) @cached(ttl: $s, refresh: $r) { order { id } }';
  const bare = printed({ query: '{ order { id } }' });
  expect(printed({ query, variables: { s: -1, r: true } })).toBe(bare);
  expect(printed({ query: 'query @cached { order { id } }' })).toBe(bare);
});
