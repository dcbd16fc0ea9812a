import { expect, test } from 'vitest';
import type { EndpointVariable } from '../../../../src/catalog/part/endpoints.ts';
import { type EndpointInput, endpointVariables } from '../../../../src/http/route/rest-variables.ts';
import { NumberText } from '../../../../src/plan/value/input.ts';
import { refused } from '../../commands/support.ts';

const NOTHING: EndpointInput = { search: '', body: '', isForm: false, texts: new Map() };

function variable(name: string, type: string): EndpointVariable {
  const bare = type.replaceAll(/[[\]!]/g, '');
  return { name, type: bare, list: type.startsWith('['), nullable: !type.endsWith('!') };
}

const read = (type: string, input: Partial<EndpointInput>): unknown =>
  endpointVariables([variable('v', type)], { ...NOTHING, ...input });
const text = (type: string, value: string): unknown => read(type, { texts: new Map([['v', value]]) });

test.each<[type: string, text: string, value: unknown]>([
  ['Int!', '5', 5],
  ['Int!', '5.0', 5],
  ['Int!', 'five', 'five'],
  ['Int!', '"5"', '"5"'],
  ['numeric', '1e3', 1000],
  ['numeric', '12345678901234567890.5', new NumberText('12345678901234567890.5')],
  ['bigint!', '5', '5'],
  ['String!', '5', '5'],
  ['String!', 'true', 'true'],
  ['String!', '', ''],
  ['String', '', undefined],
  ['Int', '', undefined],
  ['Boolean', '', true],
  ['Boolean!', '', true],
  ['Boolean!', 'false', false],
  ['Boolean!', 'yes', 'yes'],
  ['uuid!', '81F1BFEA', '81F1BFEA'],
  ['geometry!', '{"type":"Point"}', '{"type":"Point"}'],
])('%s in a URL: %j is %j', (type, given, value) => {
  expect(text(type, given)).toEqual(value === undefined ? {} : { v: value });
});

test('a list cannot be said in a URL, and can in a body', () => {
  expect(refused(() => text('[Int!]!', '1'))).toEqual({
    path: '$',
    error:
      'List variables are not currently supported in URL or Query parameters. (Variable v, with value "1")',
    code: 'bad-request',
  });
  expect(read('[Int!]!', { body: '{"v": [1, null]}' })).toEqual({ v: [1, null] });
});

test('query string, form, body and path are read, the later before the earlier', () => {
  const texts = new Map([['v', 'path']]);
  expect(read('String!', { search: 'v=a&v=b%20c+d' })).toEqual({ v: 'b c d' });
  expect(read('String!', { search: 'v=a', body: 'v=form', isForm: true })).toEqual({ v: 'form' });
  expect(read('String!', { search: 'v=a', body: '{"v": {"x": 1}}' })).toEqual({ v: { x: 1 } });
  expect(read('String!', { body: '{"v": 1}', texts })).toEqual({ v: 'path' });
  expect(read('String', { body: '{"v": null}' })).toEqual({ v: null });
  for (const body of ['[1]', '"v"', 'v=1', '{']) expect(read('String!', { body })).toEqual({});
});

test('a variable that the operation does not have is refused, a name that no variable can have is not', () => {
  expect(refused(() => read('Int', { search: 'w=1' })).error).toBe('Unexpected variable w');
  expect(
    read('Int', { search: 'v-w=1&=2&5=6', body: '{"a b": 1, "__proto__": 1}'.replace('__proto__', 'x y') }),
  ).toEqual({});
  expect(refused(() => read('Int', { body: '{"__proto__": 1}' })).error).toBe(
    'Unexpected variable __proto__',
  );
});

test('a form is refused that has more members than JSON may have values', () => {
  const form = (members: number): Partial<EndpointInput> => ({
    body: `v=1${'&'.repeat(members - 1)}`,
    isForm: true,
  });
  expect(read('Int!', form(1_000_000))).toEqual({ v: 1 });
  expect(refused(() => read('Int!', form(1_000_001)))).toEqual({
    path: '$',
    error: 'the body has more than 1000000 values',
    code: 'bad-request',
  });
});
