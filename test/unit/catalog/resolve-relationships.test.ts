import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Column, JoinPair } from '../../../src/catalog/catalog.ts';
import { mappingProblem } from '../../../src/catalog/conditions/mapping.ts';
import { catalogOf, database, relationshipOf, remote, source, table, tableOf, type } from './found.ts';

const author = table('author', ['id int4 pk', 'name text unique']);
const article = table('article', [
  'id int4 pk',
  'author_id int4! -> author.id',
  'editor_id int4 -> author.id',
  'published_on timestamp',
]);
const found = { default: database([author, article]) };

const names = (pairs: readonly JoinPair[]): readonly string[] =>
  pairs.map(({ left, right }) => `${left.name}=${right.name}`);
const over = (key: unknown): object => ({ foreign_key_constraint_on: key });

describe('local relationships', () => {
  test('forward, reverse and manual', () => {
    const catalog = catalogOf(
      [
        source('default', [
          {
            table: 'article',
            object_relationships: [
              { name: 'author', using: over('author_id') },
              { name: 'editor', using: over(['editor_id']), comment: 'who checked it' },
              {
                name: 'namesake',
                using: {
                  manual_configuration: {
                    remote_table: 'author',
                    column_mapping: { id: 'id', editor_id: 'id' },
                  },
                },
              },
            ],
          },
          {
            table: 'author',
            array_relationships: [
              { name: 'articles', using: over({ table: 'article', column: 'author_id' }) },
            ],
            object_relationships: [
              { name: 'edited', using: over({ table: 'article', columns: ['editor_id'] }) },
            ],
          },
        ]),
      ],
      found,
    );
    expect(catalog.inconsistent).toEqual([]);
    const from = tableOf(catalog, 'default', 'article');
    const back = tableOf(catalog, 'default', 'author');
    expect(relationshipOf(from, 'author')).toMatchObject({
      total: true,
      unique: true,
      kind: 'object',
      remote: null,
    });
    expect(relationshipOf(from, 'author').description).toBe('An object relationship');
    expect(relationshipOf(from, 'editor')).toMatchObject({
      total: false,
      unique: true,
      description: 'who checked it',
    });
    expect(names(relationshipOf(from, 'namesake').on)).toEqual(['editor_id=id', 'id=id']);
    expect(relationshipOf(back, 'articles')).toMatchObject({ kind: 'array', unique: false, total: false });
    expect(names(relationshipOf(back, 'articles').on)).toEqual(['id=author_id']);
    expect(relationshipOf(back, 'edited')).toMatchObject({ kind: 'object', unique: false, total: false });
  });

  const failure = (tables: readonly object[]): unknown =>
    catalogOf([source('default', tables)], found).inconsistent[0];

  test('no foreign key on the columns', () => {
    const using = over({ table: { schema: 'public', name: 'article' }, column: 'published_on' });
    const tables = [
      { table: 'author', array_relationships: [{ name: 'articles', using }] },
      { table: 'article' },
    ];
    expect(failure(tables)).toEqual({
      type: 'array_relation',
      name: 'array_relation articles in table author in source default',
      reason:
        'Inconsistent object: in table "author": in relationship "articles": no foreign constraint exists on the given column(s)',
      definition: { source: 'default', table: author.ref, name: 'articles', comment: null, using },
    });
  });

  test('a table that is not tracked', () => {
    const manual = { remote_table: { schema: 'public', name: 'nope' }, column_mapping: { id: 'id' } };
    const tables = [
      { table: 'author', array_relationships: [{ name: 'x', using: { manual_configuration: manual } }] },
    ];
    expect(failure(tables)).toMatchObject({
      reason: 'Inconsistent object: table "nope" is not tracked',
      definition: { using: { manual_configuration: { ...manual, insertion_order: null } } },
    });
    expect(
      failure([{ table: 'article', object_relationships: [{ name: 'a', using: over('author_id') }] }]),
    ).toMatchObject({
      reason: 'Inconsistent object: table "author" is not tracked',
    });
  });

  test('a name that is taken by a column, a custom name or another relationship', () => {
    const clash = (name: string, configuration = {}) =>
      failure([
        { table: 'article', configuration, object_relationships: [{ name, using: over('author_id') }] },
        { table: 'author' },
      ]);
    expect(clash('id')).toMatchObject({
      reason: expect.stringContaining('conflicts with postgres column "id"'),
    });
    expect(clash('x', { custom_column_names: { id: 'x' } })).toMatchObject({
      reason:
        'Inconsistent object: field definition conflicts with custom field name for postgres column "id"',
    });
  });
});

describe('remote relationships', () => {
  const users = table('users', ['id int8 pk', 'login text unique', 'doc json']);
  const both = (entry: object, more: Partial<typeof article> = {}) =>
    catalogOf(
      [
        source('pg1', [{ table: 'article', remote_relationships: [entry] }]),
        source('pg2', [{ table: 'users' }]),
      ],
      {
        pg1: database([{ ...article, ...more }]),
        pg2: database([users]),
      },
    );
  const reason = (entry: object): unknown => both(entry).inconsistent[0]?.reason;
  const to = (mapping: Record<string, string>, more: object = {}): object =>
    remote('user', { source: 'pg2', table: 'users', mapping, ...more });

  test('defaults of the options, and the ones given', () => {
    const plain = both(to({ author_id: 'id' }));
    expect(plain.inconsistent).toEqual([]);
    expect(relationshipOf(tableOf(plain, 'pg1', 'article'), 'user')).toMatchObject({
      source: 'pg2',
      kind: 'object',
      unique: true,
      total: false,
      remote: { cache: true, maxStalenessMs: null, fallback: null, onTargetDown: 'error', follow: 'object' },
    });
    const nearjoin = {
      cache: false,
      max_staleness_ms: 5,
      fallback: 'wait',
      on_target_down: 'stale',
      follow: 'all',
    };
    expect(
      relationshipOf(tableOf(both(to({ author_id: 'id' }, { nearjoin })), 'pg1', 'article'), 'user').remote,
    ).toEqual({
      cache: false,
      maxStalenessMs: 5,
      fallback: 'wait',
      onTargetDown: 'stale',
      follow: 'all',
    });
  });

  test('what is unknown or empty is refused by name', () => {
    const remoteTo = { relationship_type: 'object', source: 'pg2', field_mapping: { author_id: 'id' } };
    const start = 'Inconsistent object: in table "article": in remote relationship "user": ';
    expect(reason(remote('user', { source: 'pg9', table: 'users', mapping: { id: 'id' } }))).toBe(
      `${start}source not found: "pg9"`,
    );
    expect(reason(remote('user', { source: 'pg2', table: 'nope', mapping: { id: 'id' } }))).toBe(
      `${start}table "nope" does not exist in source: pg2`,
    );
    const definition = { to_source: { ...remoteTo, table: { dataset: 'd', name: 'users' } } };
    expect(reason({ name: 'user', definition })).toBe(
      `${start}table {"dataset":"d","name":"users"} does not exist in source: pg2`,
    );
    expect(reason(to({ nope: 'id' }))).toBe(`${start}column "nope" does not exist in table "article"`);
    expect(reason(to({ id: 'nope' }))).toBe(`${start}column "nope" does not exist in table "users"`);
    expect(reason(to({}))).toBe(`${start}the column mapping is empty`);
    expect(reason({ name: 'user', definition: { to_remote_schema: {} } })).toContain(
      'remote schemas are not supported',
    );
  });

  test('types that cannot be compared without loss are named, both of them', () => {
    const text = reason(to({ author_id: 'login' }));
    expect(text).toContain('column "author_id" has type integer and column "login" has type text');
    expect(reason(to({ published_on: 'doc' }))).toContain('no equality');
  });

  test('a target of another kind is never available', () => {
    const entry = remote('user', { source: 'facts', table: 'users', mapping: { id: 'id' } });
    const tracked = [{ table: 'article', remote_relationships: [entry] }];
    const sources = [source('pg1', tracked), { name: 'facts', kind: 'bigquery' }];
    const { inconsistent } = catalogOf(sources, { pg1: database([article]) });
    expect(inconsistent.map((object) => object.reason)).toEqual([
      'Inconsistent object: sources of kind "bigquery" are not supported',
      'Inconsistent object: in table "article": in remote relationship "user": ' +
        'source "facts" is unavailable: sources of kind "bigquery" are not supported',
    ]);
  });

  test('an unavailable target leaves the source serving', () => {
    const catalog = catalogOf(
      [
        source('pg1', [{ table: 'article', remote_relationships: [to({ id: 'id' })] }]),
        source('pg2', [{ table: 'users' }]),
      ],
      { pg1: database([article]), pg2: { unavailable: 'refused' } },
    );
    expect(catalog.inconsistent.map((problem) => problem.type).sort()).toEqual([
      'remote_relationship',
      'source',
    ]);
    expect(tableOf(catalog, 'pg1', 'article').relationships.size).toBe(0);
  });
});

describe('mappingProblem', () => {
  const column = (name: string): Column => ({
    name,
    field: name,
    type: type(name),
    notNull: false,
    generated: false,
    description: null,
    enumTable: null,
    upperCased: false,
  });
  const fits = (left: string, right: string): boolean => mappingProblem(column(left), column(right)) === null;

  test.each([
    ['int2', 'int8', true],
    ['int4', 'numeric', false],
    ['int8', 'float8', false],
    ['text', 'citext', true],
    ['varchar', 'bpchar', true],
    ['uuid', 'text', false],
    ['uuid', 'uuid', true],
    ['timestamp', 'timestamptz', false],
    ['email:text', 'varchar', true],
    ['id:int4', 'int8', true],
    ['text[]', 'varchar[]', true],
    ['text[]', 'text', false],
    ['json', 'json', false],
    ['jsonb', 'jsonb', true],
    ['xml[]', 'xml[]', false],
    ['point', 'point', false],
    ['lseg', 'lseg', false],
    ['line[]', 'line[]', false],
    ['path', 'path', false],
    ['box', 'box', false],
    ['circle', 'circle', false],
    ['jsonpath', 'jsonpath', false],
  ])('%s and %s: %s', (left, right, expected) => {
    expect(fits(left, right)).toBe(expected);
  });

  test('a composite has an equality where all that it is made of have one', () => {
    const spot = (...parts: readonly string[]): Column => {
      const own = { ...type('spot'), kind: 'composite' as const, parts: parts.map(type) };
      return { ...column('spot'), type: own };
    };
    const problem = (...parts: readonly string[]) => mappingProblem(spot(...parts), spot(...parts));
    expect(problem('int4', 'text[]')).toBeNull();
    expect(problem('int4', 'json')).toContain('values of such a type have no equality');
  });

  test('is symmetric, and a type with equality fits itself', () => {
    const kinds = fc.constantFrom(
      'int2',
      'int8',
      'text',
      'citext',
      'uuid',
      'numeric',
      'd:int4',
      'text[]',
      'json',
      'jsonb',
      'date',
    );
    fc.assert(fc.property(kinds, kinds, (a, b) => fits(a, b) === fits(b, a)));
    fc.assert(
      fc.property(
        kinds.filter((kind) => kind !== 'json'),
        (a) => fits(a, a),
      ),
    );
  });
});
