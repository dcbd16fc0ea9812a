import { expect, test } from 'vitest';
import type { ColumnType } from '../../../../src/catalog/catalog.ts';
import { heldType } from '../../../../src/catalog/type/held-type.ts';

const known = {
  builtIn: new Set(['int4', 'varchar', 'numeric', 'regclass']),
  extension: new Map([['citext', 'ext.citext']]),
};

function type(name: string, more: Partial<ColumnType> = {}): ColumnType {
  const made = {
    oid: 1,
    name,
    schema: 'pg_catalog',
    sql: name,
    kind: 'base',
    category: 'U',
    element: null,
    scalar: name,
  };
  return { ...made, ...more } as ColumnType;
}

const varchar = type('varchar', { sql: 'character varying(10)' });
const mood = type('mood', { schema: 'public', kind: 'enum' });

test.each<[string, ColumnType, string]>([
  ['a built-in type with its modifier', varchar, 'character varying(10)'],
  ['a built-in type this server does not have', type('newer'), 'text'],
  ['a type whose text names things of the target', type('regclass'), 'text'],
  ['an enum', mood, 'text'],
  ['an array of enums', type('_mood', { kind: 'array', element: mood }), 'text[]'],
  ['a domain', type('d', { kind: 'domain', schema: 'public', element: varchar }), 'character varying(10)'],
  [
    'an array',
    type('_numeric', { kind: 'array', sql: 'numeric(5,2)[]', element: type('numeric') }),
    'numeric(5,2)[]',
  ],
  [
    'an array of a domain over arrays, which is no array of more dimensions',
    type('_l', {
      kind: 'array',
      element: type('l', {
        kind: 'domain',
        schema: 'public',
        element: type('_int4', { kind: 'array', sql: 'integer[]', element: type('int4') }),
      }),
    }),
    'text[]',
  ],
  ['a composite', type('spot', { kind: 'composite', schema: 'public' }), 'text'],
  [
    'an extension type that is here too',
    type('citext', { schema: 'public', sql: 'public.citext' }),
    'ext.citext',
  ],
  [
    'an extension type that is not',
    type('geometry', { schema: 'public', sql: 'geometry(Point,4326)' }),
    'text',
  ],
])('%s', (_name, given, expected) => {
  expect(heldType(given, known)).toBe(expected);
});
