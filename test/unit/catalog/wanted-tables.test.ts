import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import type { FoundTable, Introspection } from '../../../src/catalog/introspection.ts';
import { catalogOf, database, remote, source, table } from './found.ts';

const order = table('order', ['id int8 pk', 'user_id int8', 'shipper text']);
const user = table('user', ['id int8 pk', 'city_id int8 -> city.id', 'vip_id int8 unique']);
const city = table('city', ['id int8 pk', 'name text']);
const post = table('post', ['id int8 pk', 'user_id int8 -> user.id']);
const vip = table('vip', ['id int8 pk']);

interface Setup {
  readonly nearjoin?: object;
  readonly targets?: readonly FoundTable[];
  readonly target?: Partial<Introspection['server']>;
  readonly here?: Partial<Introspection['server']>;
  readonly mapping?: Record<string, string>;
}

/** pg1.order → pg2.user → (city, post in pg2; vip in pg3; back to pg1.order). */
function catalog({
  nearjoin,
  targets = [user, city, post],
  target,
  here,
  mapping = { user_id: 'id' },
}: Setup = {}): Catalog {
  const toUser = remote('user', { source: 'pg2', table: 'user', mapping, ...(nearjoin && { nearjoin }) });
  return catalogOf(
    [
      source('pg1', [{ table: 'order', remote_relationships: [toUser] }]),
      source('pg2', [
        {
          table: 'user',
          object_relationships: [{ name: 'city', using: { foreign_key_constraint_on: 'city_id' } }],
          array_relationships: [
            { name: 'posts', using: { foreign_key_constraint_on: { table: 'post', column: 'user_id' } } },
          ],
          remote_relationships: [
            remote('vip', { source: 'pg3', table: 'vip', mapping: { vip_id: 'id' } }),
            remote('orders', {
              source: 'pg1',
              table: 'order',
              mapping: { id: 'user_id' },
              type: 'array',
              nearjoin: { follow: 'none' },
            }),
          ],
        },
        { table: 'city' },
        { table: 'post' },
      ]),
      source('pg3', [{ table: 'vip' }]),
    ],
    { pg1: database([order], here), pg2: database(targets, target), pg3: database([vip]) },
  );
}

const wanted = (from: Catalog, holder = 'pg1'): readonly string[] =>
  from.wanted
    .filter(({ source: name }) => name === holder)
    .map(
      ({ target, table: { ref }, lookups }) =>
        `${target}.${ref.name}(${lookups.map((key) => key.join('+')).join(',')})`,
    )
    .sort();

describe('what is cached', () => {
  test('follow: none, object (the default), all', () => {
    expect(wanted(catalog({ nearjoin: { follow: 'none' } }))).toEqual(['pg2.user(id)']);
    expect(wanted(catalog())).toEqual(['pg2.city(id)', 'pg2.user(id,city_id,vip_id)', 'pg3.vip(id)']);
    expect(wanted(catalog({ nearjoin: { follow: 'all' } }))).toEqual([
      'pg2.city(id)',
      'pg2.post(user_id)',
      'pg2.user(id,city_id,vip_id)',
      'pg3.vip(id)',
    ]);
  });

  test('every source holds what it leads to, never its own tables', () => {
    expect(wanted(catalog(), 'pg2')).toEqual(['pg1.order(user_id)', 'pg3.vip(id)']);
    expect(wanted(catalog(), 'pg3')).toEqual([]);
  });

  test('cache: false leads nowhere', () => {
    expect(wanted(catalog({ nearjoin: { cache: false } }))).toEqual([]);
  });

  test('what row rules read, however far `follow` goes', () => {
    const rule = (filter: object): object => ({ role: 'user', permission: { columns: '*', filter } });
    const users = (permission: object): readonly string[] =>
      wanted(
        catalogOf(
          [
            source('pg1', [
              {
                table: 'order',
                remote_relationships: [
                  remote('user', {
                    source: 'pg2',
                    table: 'user',
                    mapping: { user_id: 'id' },
                    nearjoin: { follow: 'none' },
                  }),
                ],
                select_permissions: [
                  rule({
                    $not: {
                      _exists: {
                        _table: { source: 'pg3', name: 'vip' },
                        _where: { _and: [{ id: { _ceq: ['$', 'user_id'] } }] },
                      },
                    },
                  }),
                ],
              },
            ]),
            source('pg2', [
              {
                table: 'user',
                array_relationships: [
                  {
                    name: 'posts',
                    using: { foreign_key_constraint_on: { table: 'post', column: 'user_id' } },
                  },
                ],
                remote_relationships: [
                  remote('never', {
                    source: 'pg3',
                    table: 'vip',
                    mapping: { vip_id: 'id' },
                    nearjoin: { cache: false },
                  }),
                ],
                select_permissions: [permission],
              },
              { table: 'city' },
              { table: 'post' },
            ]),
            source('pg3', [{ table: 'vip' }]),
          ],
          { pg1: database([order]), pg2: database([user, city, post]), pg3: database([vip]) },
        ),
      );
    expect(users(rule({ never: {} }))).toEqual(['pg2.user(id)', 'pg3.vip(id)']);
    expect(users(rule({ _or: [{ posts: { id: 1 } }, { _exists: { _table: 'city', _where: {} } }] }))).toEqual(
      ['pg2.city()', 'pg2.post(user_id)', 'pg2.user(id)', 'pg3.vip(id)'],
    );
    const counted = { count: { predicate: { _gt: 0 }, filter: { _exists: { _table: 'city', _where: {} } } } };
    expect(users(rule({ posts_aggregate: counted }))).toEqual([
      'pg2.city()',
      'pg2.post(user_id)',
      'pg2.user(id)',
      'pg3.vip(id)',
    ]);
  });

  test('a relationship to the own source is local', () => {
    const parent = remote('parent', { source: 'pg1', table: 'order', mapping: { id: 'id' } });
    const own = catalogOf([source('pg1', [{ table: 'order', remote_relationships: [parent] }])], {
      pg1: database([order]),
    });
    expect(own.inconsistent).toEqual([]);
    expect(own.wanted).toEqual([]);
  });

  test('circles of relationships end', () => {
    const node = (name: string) => table(name, ['id int8 pk', 'next int8']);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { maxLength: 12 }), (edges) => {
        const sources = [0, 1, 2, 3].map((from) => {
          const entries = edges
            .filter(([left]) => left === from)
            .map(([, to], index) =>
              remote(`r${index}`, { source: `s${to}`, table: `t${to}`, mapping: { next: 'id' } }),
            );
          return source(`s${from}`, [{ table: `t${from}`, remote_relationships: entries }]);
        });
        const found = Object.fromEntries([0, 1, 2, 3].map((n) => [`s${n}`, database([node(`t${n}`)])]));
        const result = catalogOf(sources, found);
        expect(result.inconsistent).toEqual([]);
        for (const { source: holder, target } of result.wanted) expect(holder).not.toBe(target);
        const pairs = result.wanted.map((item) => `${item.source} ${item.target}`);
        expect(new Set(pairs).size).toBe(pairs.length);
      }),
    );
  });
});

describe('what cannot be cached says why, and nothing fails', () => {
  const reasons = (setup: Setup): readonly string[] => {
    const result = catalog({ nearjoin: { follow: 'none' }, ...setup });
    expect(result.inconsistent).toEqual([]);
    return result.warnings.filter((warning) => warning.source === 'pg1').map(({ reason }) => reason);
  };
  const changed = (more: Partial<FoundTable>): Setup => ({ targets: [{ ...user, ...more }, city, post] });

  test.each<[string, Setup]>([
    ['a view has no changes', changed({ kind: 'view', keys: [] })],
    ['an unlogged table', changed({ logged: false })],
    ['does not own the table', changed({ publishable: false })],
    ['has no primary key', changed({ keys: [] })],
    ['replica identity is "nothing"', changed({ replicaIdentity: 'n' })],
    ['no key without nulls', changed({ replicaIdentity: 'f', keys: [] })],
    ['wal_level is "replica"', { target: { walLevel: 'replica' } }],
    ['may not replicate', { target: { mayReplicate: false } }],
    ['a standby', { target: { inRecovery: true } }],
    [
      'the target is Postgres 13: a cache needs 14 or newer',
      { target: { version: 130_012, walLevel: 'replica' } },
    ],
    ['the target is Postgres 16.8, which may tell no more', { target: { version: 160_008 } }],
    ['the source is Postgres 12: a cache needs 14 or newer', { here: { version: 120_022 } }],
    ['may not make tables in schema', { here: { mayCache: false } }],
    [
      'mapped column "twice" is generated',
      {
        targets: [
          table('user', ['id int8 pk', 'city_id int8 -> city.id', 'vip_id int8', 'twice int8 generated']),
          city,
          post,
        ],
        mapping: { user_id: 'twice' },
      },
    ],
  ])('%s', (text, setup) => {
    const [reason, ...others] = reasons(setup);
    expect(reason).toContain('Not cached, answered live: ');
    expect(reason).toContain(text);
    expect(others).toEqual([]);
    const { wanted } = catalog({ nearjoin: { follow: 'none' }, ...setup });
    // What is wrong with a mapping is told beside the copy, which is made all the same.
    const told = wanted.map(({ mapping }) => mapping).filter((mapping) => mapping !== null);
    expect(wanted).toHaveLength(3);
    expect(told).toEqual(text.startsWith('mapped column') ? [`${text} and not replicated`] : []);
  });

  test('full identity with a key is fine', () => {
    expect(reasons(changed({ replicaIdentity: 'f' }))).toEqual([]);
  });
});

describe('a target that is followed through Kafka', () => {
  const configuration = (kafka: object): object => ({
    connection_info: { database_url: 'postgresql://pg2' },
    nearjoin: { connector: 'kafka', kafka },
  });
  const toUser = remote('user', { source: 'pg2', table: 'user', mapping: { user_id: 'id' } });
  const through = (kafka: object): Catalog =>
    catalogOf(
      [
        source('pg1', [{ table: 'order', remote_relationships: [toUser] }]),
        source('pg2', [{ table: 'user' }], { configuration: configuration(kafka) }),
      ],
      { pg1: database([order]), pg2: database([{ ...user, publishable: false }], { mayPublish: false }) },
    );

  test('is told by its prefix, with the defaults of Debezium', () => {
    expect(through({ topic_prefix: 'shop' }).sources.get('pg2')?.kafka).toEqual({
      topicPrefix: 'shop',
      slot: 'debezium',
      publication: 'dbz_publication',
      placeholder: '__debezium_unavailable_value',
    });
    const all = { topic_prefix: 'shop', slot: 's', publication: 'p', unavailable_value: 'u' };
    expect(through(all).sources.get('pg2')?.kafka).toEqual({
      topicPrefix: 'shop',
      slot: 's',
      publication: 'p',
      placeholder: 'u',
    });
    expect(through(all).sources.get('pg1')?.kafka).toBeNull();
  });

  test('need not let us publish', () => {
    expect(through({ topic_prefix: 'shop' }).warnings).toEqual([]);
  });

  test.each([[{}], [{ topic_prefix: 'shop', prefix: 'x' }], [{ topic_prefix: '' }]])(
    'is not told by %j',
    (kafka) => {
      expect(() => through(kafka)).toThrow();
    },
  );
});
