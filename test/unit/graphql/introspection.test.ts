import {
  type DocumentNode,
  executeSync,
  getIntrospectionQuery,
  type OperationDefinitionNode,
  parse,
} from 'graphql';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/core/waiting/clock.ts';
import { atOnce } from '../../../src/core/waiting/slices.ts';
import { Stop } from '../../../src/core/waiting/stop-signal.ts';
import { executeIntrospection } from '../../../src/graphql/introspection.ts';
import { SchemaCache } from '../../../src/graphql/schema-cache.ts';
import { buildSchema } from '../../support/build-schema.ts';
import { catalogOf, database, source, table } from '../catalog/found.ts';
import { SHOP } from '../plan/plan-for.ts';

function operationIn(document: DocumentNode): OperationDefinitionNode {
  const found = document.definitions.find((definition) => definition.kind === 'OperationDefinition');
  if (found === undefined) throw new Error('no operation');
  return found;
}

test.each([
  [
    'everything',
    getIntrospectionQuery({ inputValueDeprecation: true, schemaDescription: true, specifiedByUrl: true }),
  ],
  ['everything without texts', getIntrospectionQuery({ descriptions: false, directiveIsRepeatable: true })],
  [
    'fragments, aliases, fields asked for twice and values',
    `query ($all: Boolean = true, $no: Boolean!, $type: String!) {
      a: __type(name: $type) { ...t ...t kind fields(includeDeprecated: $all) { name type { ...t } } }
      ... on query_root @skip(if: $no) { b: __type(name: "item") { ...t inputFields { name } } c: __type(name: "x") { name } }
      __schema { __typename types { enumValues { name @include(if: $no) deprecationReason } ofType { name } } directives { locations args { defaultValue } } }
      __schema { queryType { name } types { name possibleTypes { name } interfaces { name } } }
    }
    fragment t on __Type { n: name ... { kind } type: ofType { ...u } }
    fragment u on __Type { name ofType { name } }`,
  ],
])('%s is written as graphql-js answers it', (_, query) => {
  const variables = { no: false, type: 'order_bool_exp' };
  const schema = buildSchema(SHOP, 'clerk');
  const document = parse(query);
  const { data, errors } = executeSync({ schema, document, variableValues: variables });
  expect(errors).toBeUndefined();
  const request = { document, operation: operationIn(document), variables };
  const found = atOnce(executeIntrospection(schema, request));
  const members = [...found].map(([key, text]) => `${JSON.stringify(key)}:${text}`);
  expect(`{${members.join(',')}}`).toBe(JSON.stringify(data));
});

test.each([
  ['__type(name: null) { name }', '__type.args.name', "a string for type 'String', but found null"],
  ['__type(name: 5) { name }', '__type.args.name', "a string for type 'String', but found an integer"],
  [
    '__schema { types { fields(includeDeprecated: "no") { name } } }',
    '__schema.selectionSet.types.selectionSet.fields.args.includeDeprecated',
    "a boolean for type 'Boolean', but found a string",
  ],
])('refuses %s in Hasura’s words', (field, path, expected) => {
  const document = parse(`{ ${field} }`);
  const request = { document, operation: operationIn(document), variables: {} };
  expect(() => atOnce(executeIntrospection(buildSchema(SHOP, 'clerk'), request))).toThrow(
    expect.objectContaining({ path: `$.selectionSet.${path}`, message: `expected ${expected}` }),
  );
});

test('a large schema is built and told of in slices, once for all who ask meanwhile', async () => {
  const wide = Array.from({ length: 300 }, (__, i) =>
    table(`w${i}`, ['id int4 pk', ...Array.from({ length: 10 }, (___, c) => `c${c} text`)]),
  );
  const catalog = catalogOf(
    [
      source(
        'a',
        wide.map(({ ref }) => ({ table: ref.name })),
      ),
    ],
    { a: database(wide) },
  );
  const document = parse(getIntrospectionQuery());
  const operation = operationIn(document);
  let nowMs = 0;
  // Each step takes a millisecond, however fast the machine.
  const cache = new SchemaCache({ ...systemClock, monotonicMs: () => (nowMs += 1) });
  let turns = 0;
  let isDone = false;
  const others = (): void => {
    turns += 1;
    if (!isDone) setImmediate(others);
  };
  setImmediate(others);
  const admin = { catalog, role: 'admin' };
  const ask = () => cache.introspect(admin, { document, operation, variables: {} }, new Stop());
  const [first, second] = await Promise.all([ask(), ask()]);
  isDone = true;
  expect(second).toBe(first);
  expect(await ask()).toBe(first);
  // Work of hundreds of steps, of which each slice takes ten.
  expect(turns).toBeGreaterThan(8);
});

test('a few answers are made at a time, and who goes away leaves the queue', async () => {
  const cache = new SchemaCache(systemClock);
  const document = parse('query ($name: String!) { __type(name: $name) { fields { name } } }');
  const operation = operationIn(document);
  const [stop, variables] = [new Stop(), { name: 'order' }];
  const ask = () =>
    cache.introspect({ catalog: SHOP, role: 'admin' }, { document, operation, variables }, stop);
  const asked = [ask(), ask(), ask(), ask()].map((one) => one.then(() => 'answered', String));
  await cache.schema(SHOP, 'admin');
  stop.abort('gone');
  expect((await Promise.all(asked)).toSorted()).toEqual(['answered', 'answered', 'gone', 'gone']);
});

test('fragments that double each other are counted, however little they ask for', () => {
  const names = Array.from({ length: 20 }, (_, index) => `f${index}`);
  const doubled = names.map((name, index) =>
    index === 19
      ? `fragment ${name} on __Type { name }`
      : `fragment ${name} on __Type { ...f${index + 1} ... { ...f${index + 1} } }`,
  );
  const document = parse(`{ __type(name: "none") { ...f0 } } ${doubled.join(' ')}`);
  const request = { document, operation: operationIn(document), variables: {} };
  const refused = () => atOnce(executeIntrospection(buildSchema(SHOP, 'admin'), request));
  expect(refused).toThrow(expect.objectContaining({ code: 'query-too-complex' }));
});
