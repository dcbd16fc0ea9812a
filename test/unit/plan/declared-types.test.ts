import {
  type GraphQLField,
  type GraphQLInputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { expect, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import { must } from '../../../src/core/assert.ts';
import { buildSchema } from '../../support/build-schema.ts';
import { catalogOf, database, remote, source, table } from '../catalog/found.ts';
import { refusal } from './plan-for.ts';

// The schema and the planner name types each for itself: a variable must pass wherever it is declared as the schema says.

const USERS = table('app_users', ['id int4 pk', 'name text', 'day text -> week_days.day', 'data jsonb']);
const ENTRIES = table('log_entries', [
  'id int4 pk',
  'user_id int4',
  'size float8',
  'other float8',
  'is_final bool',
  'tags text[]',
]);

function world(customization: object): Catalog {
  const days = [{ value: 'monday', description: null }];
  const to = { table: 'log_entries', source: 'pg2', mapping: { id: 'user_id' }, type: 'array' } as const;
  const users = { table: 'app_users', remote_relationships: [remote('log_entries', to)] };
  const enums = new Map([[JSON.stringify(['public', 'week_days']), days]]);
  const catalog = catalogOf(
    [
      source('pg1', [users, { table: 'week_days', is_enum: true }], { customization }),
      source('pg2', [{ table: 'log_entries' }], { customization }),
    ],
    {
      pg1: database([USERS, table('week_days', ['day text pk'])], {}, enums),
      pg2: database([ENTRIES]),
    },
  );
  expect(catalog.inconsistent).toEqual([]);
  return catalog;
}

/** Writes a request around an argument's value, in which `declared` are its variables. */
type Around = (value: string, declared: string) => string;

interface Case {
  readonly query: string;
  readonly value: unknown;
}

function valueOf(type: GraphQLInputType): unknown {
  if (isNonNullType(type)) return valueOf(type.ofType);
  if (isListType(type)) return [valueOf(type.ofType)];
  if (isEnumType(type)) return must(type.getValues()[0], 'a value').name;
  if (!isInputObjectType(type)) return type.name === 'Boolean' ? true : '1';
  const needed = Object.values(type.getFields()).filter((field) => isNonNullType(field.type));
  return Object.fromEntries(needed.map((field) => [field.name, valueOf(field.type)]));
}

function written(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const members = Object.entries(value).map(([name, member]) => `${name}: ${written(member)}`);
  return `{${members.join(', ')}}`;
}

/** The argument as a variable, then each of its members, every type once. */
function casesOf(type: GraphQLInputType, around: Around, seen: Set<string>): readonly Case[] {
  const here = { query: around('$v', `($v: ${type.toString()})`), value: valueOf(type) };
  const named = getNamedType(type);
  if (!isInputObjectType(named) || seen.has(named.name)) return [here];
  seen.add(named.name);
  const members = Object.values(named.getFields()).flatMap((member) => {
    const { [member.name]: _, ...others } = valueOf(named) as Record<string, unknown>;
    const beside = Object.entries(others).map(([name, value]) => `${name}: ${written(value)}, `);
    const within: Around = (value, declared) =>
      around(`{${beside.join('')}${member.name}: ${value}}`, declared);
    return casesOf(member.type, within, seen);
  });
  return [here, ...members];
}

/** The arguments of lists; `by_pk` and the cursors of streams have others. */
function listArguments({ name, args }: GraphQLField<unknown, unknown>, seen: Set<string>): readonly Case[] {
  return args.flatMap((argument) =>
    casesOf(
      argument.type,
      (value, declared) => `query ${declared} { ${name}(${argument.name}: ${value}) { __typename } }`,
      seen,
    ),
  );
}

test.each<[string, object]>([
  ['plain', {}],
  ['wrapped', { type_names: { prefix: 'p_', suffix: '_s' } }],
  ['respelled', { naming_convention: 'graphql-default' }],
  ['respelled and wrapped', { naming_convention: 'graphql-default', type_names: { suffix: '_s' } }],
])('a variable may be declared as the schema says, everywhere: %s names', (_, customization) => {
  const catalog = world(customization);
  const fields = must(buildSchema(catalog, 'admin').getQueryType(), 'queries').getFields();
  const seen = new Set<string>();
  const cases = Object.values(fields)
    .filter((field) => isObjectType(getNamedType(field.type)) && field.args.length > 2)
    .flatMap((field) => listArguments(field, seen));
  expect(cases.length).toBeGreaterThan(100);
  const refused = cases.flatMap(({ query, value }) => {
    const told = refusal({ query, variables: { v: value }, catalog })?.message ?? '';
    return told.includes('is declared as') ? [`${query}: ${told}`] : [];
  });
  expect(refused).toEqual([]);
});
