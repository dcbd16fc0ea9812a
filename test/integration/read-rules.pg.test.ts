import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Asking } from '../support/lane.ts';
import { ThreeWays, type World } from '../support/three-ways.ts';

// Row rules that speak of tables elsewhere, and what conditions may learn of related rows: the same answer by every route.

const ALL = { columns: '*', allow_aggregations: true };
const OPEN = { ...ALL, filter: {} };

const WORLD: World = {
  sql: [
    `create table shop (id int primary key, city text, owner_id int);
     create table sale (id int primary key, shop_id int, amount float8, cost float8, paid boolean, secret boolean);
     create table grant_list (id int primary key, shop_id int, person text);
     insert into shop select n, case when n % 3 = 0 then null else 'c' || n % 3 end, nullif(n % 4, 0) from generate_series(1, 12) n;
     insert into sale select n, nullif(n % 7, 0), n / 4.0, (n * 13 % 10) / 2.0, nullif(n % 3, 0) = 1, n % 2 = 0 from generate_series(1, 40) n;
     insert into grant_list values (1, 1, 'ann'), (2, 2, 'ann'), (3, 5, 'bob'), (4, null, 'eve');`,
  ],
  tables: {
    shop: {
      database: 'pg1',
      relationships: {
        sales: { kind: 'array', to: 'sale', on: { id: 'shop_id' } },
        grants: { kind: 'array', to: 'grant_list', on: { id: 'shop_id' } },
      },
      permissions: {
        granted: {
          ...ALL,
          filter: {
            _exists: {
              _table: 'grant_list',
              _where: { shop_id: { _ceq: ['$', 'id'] }, person: { _eq: 'X-Hasura-Person' } },
            },
          },
        },
        known: {
          ...ALL,
          filter: { _exists: { _table: 'grant_list', _where: { person: { _eq: 'X-Hasura-Person' } } } },
        },
        stranger: {
          ...ALL,
          filter: {
            _not: {
              _exists: { _table: 'grant_list', _where: { _or: [{ shop_id: { _ceq: ['$', 'id'] } }] } },
            },
          },
        },
        busy: {
          ...ALL,
          filter: {
            sales_aggregate: {
              count: {
                arguments: ['amount'],
                distinct: true,
                filter: { paid: true },
                predicate: { _gte: 'X-Hasura-Least' },
              },
            },
          },
        },
        varied: {
          ...ALL,
          filter: { sales_aggregate: { count: { arguments: 'paid', distinct: true, predicate: 2 } } },
        },
        rich: {
          ...ALL,
          filter: { sales_aggregate: { avg: { arguments: 'amount', predicate: { _gt: 5 } } } },
        },
        tied: {
          ...ALL,
          filter: {
            sales_aggregate: { corr: { arguments: { X: 'amount', Y: 'cost' }, predicate: { _lt: 0.1 } } },
          },
        },
        written: {
          ...ALL,
          filter: {
            sales_aggregate: {
              count: { predicate: { _cast: { String: { _like: 'X-Hasura-Digits', _is_null: false } } } },
            },
          },
        },
        teller: OPEN,
        auditor: OPEN,
      },
    },
    sale: {
      database: 'pg2',
      relationships: { shop: { kind: 'object', to: 'shop', on: { shop_id: 'id' } } },
      permissions: {
        granted: {
          ...ALL,
          filter: {
            shop: { _exists: { _table: 'grant_list', _where: { shop_id: { _ceq: ['$', 'shop_id'] } } } },
          },
        },
        known: { ...ALL, filter: { _exists: { _table: 'shop', _where: { city: { _is_null: true } } } } },
        teller: { columns: ['id', 'shop_id', 'paid'], filter: {}, allow_aggregations: true },
        auditor: { columns: ['id', 'amount', 'secret'], filter: { secret: true }, allow_aggregations: true },
      },
    },
    grant_list: { database: 'pg2' },
  },
  metadata: { inherited_roles: [{ role_name: 'both', role_set: ['teller', 'auditor'] }] },
};

let ways: ThreeWays;

beforeAll(async () => {
  ways = await ThreeWays.open(WORLD);
});

afterAll(() => ways?.close());

const as = (role: string, session: Record<string, string> = {}): Asking => ({ role, session });
const ANN = { 'x-hasura-person': 'ann' };
const ids = (rows: unknown): readonly number[] => (rows as { id: number }[]).map(({ id }) => id);
const SHOPS = '{ shop(order_by: {id: asc}) { id } shop_aggregate { aggregate { count } } }';

const GRANTED = 'exists (select from grant_list g where g.shop_id = s.id';
const OF_SALES = 'from sale where shop_id = s.id';

test.each<[string, Asking, string]>([
  ['a row of another database names this one', as('granted', ANN), `${GRANTED} and person = 'ann')`],
  ['any row of another database', as('known', { 'x-hasura-person': 'eve' }), 'true'],
  ['no such row', as('known', { 'x-hasura-person': 'nobody' }), 'false'],
  ['the contrary', as('stranger'), `not ${GRANTED})`],
  [
    'a count of related rows',
    as('busy', { 'x-hasura-least': '2' }),
    `(select count(distinct amount) ${OF_SALES} and paid) >= 2`,
  ],
  ['an average of related rows', as('rich'), `(select avg(amount) ${OF_SALES}) > 5`],
  [
    'the text of a count of related rows',
    as('written', { 'x-hasura-digits': '%5' }),
    `(select count(*) ${OF_SALES})::text like '%5'`,
  ],
  ['a count of what is distinct', as('varied'), `(select count(distinct paid) ${OF_SALES}) = 2`],
  ['a correlation of related rows', as('tied'), `(select corr(cost, amount) ${OF_SALES}) < 0.1`],
])('a rule with %s', async (_what, asking, condition) => {
  const { shop } = await ways.agree(SHOPS, asking);
  const { rows } = await ways.all.query(`select id from shop s where ${condition} order by id`);
  expect(ids(shop)).toEqual(ids(rows));
});

test('rules with other tables hold below a relationship, in a filter and in an ordering', async () => {
  const nested =
    '{ shop(order_by: [{sales_aggregate: {count: desc}}, {id: asc}]) { id sales(order_by: {id: asc}, limit: 2) { id } sales_aggregate { aggregate { count } } } }';
  await ways.agree(nested, as('granted', ANN));
  await ways.agree(
    '{ shop(where: {sales: {amount: {_gt: 9}}}, order_by: {id: asc}) { id } }',
    as('known', { 'x-hasura-person': 'eve' }),
  );
  await ways.agree('{ sale(order_by: {id: asc}) { id shop { id } } }', as('granted', ANN));
});

const PREDICATES: readonly string[] = [
  'count: {predicate: {_eq: 6}}',
  'count: {predicate: {_cast: {String: {_like: "%5", _is_null: false}}}}',
  'avg: {arguments: amount, predicate: {_cast: {String: {_in: ["5", "4.5"], _gt: "4"}}}}',
  'count: {arguments: [amount, cost], distinct: true, predicate: {_in: [5, 6]}}',
  'bool_and: {arguments: paid, filter: {id: {_gt: 30}}, predicate: {_eq: true}}',
  'bool_or: {arguments: paid, predicate: {_is_null: true}}',
  'avg: {arguments: amount, predicate: {_gte: 5.5}}',
  'max: {arguments: cost, predicate: {_lt: 4.5}}',
  'min: {arguments: amount, filter: {paid: {_eq: true}}, predicate: {_gt: 0.9}}',
  'sum: {arguments: cost, distinct: true, predicate: {_gt: 12, _lt: 15}}',
  'sum: {arguments: cost, filter: {id: {_lt: 0}}, predicate: {_is_null: true}}',
  'stddev_samp: {arguments: amount, predicate: {_gt: 3}}',
  'var_samp: {arguments: cost, predicate: {_lte: 2}}',
  'corr: {arguments: {X: amount, Y: cost}, predicate: {_gt: 0}}',
  'covar_samp: {arguments: {Y: cost, X: amount}, predicate: {_lt: 0}}',
  'count: {arguments: paid, distinct: true, predicate: {_eq: 2}}',
];

test('every aggregate can be compared', async () => {
  const fields = PREDICATES.map(
    (predicate, i) => `p${i}: shop(where: {sales_aggregate: {${predicate}}}, order_by: {id: asc}) { id }`,
  );
  const answer = await ways.agree(`{ ${fields.join(' ')} }`);
  const { rows } = await ways.all.query<{ id: number }>(
    'select id from shop where (select covar_samp(cost, amount) from sale where shop_id = shop.id) < 0 order by id',
  );
  expect(ids(answer['p14'])).toEqual(ids(rows));
  expect(PREDICATES.map((_, i) => ids(answer[`p${i}`]).length)).toMatchInlineSnapshot(`
    [
      5,
      1,
      1,
      6,
      3,
      6,
      1,
      2,
      5,
      1,
      12,
      5,
      2,
      2,
      4,
      6,
    ]
  `);
});

test('a compared aggregate passes over the cells that the role may not see', async () => {
  const query = `{
    all: shop(where: {sales_aggregate: {sum: {arguments: amount, predicate: {_gt: 10}}}}, order_by: {id: asc}) { id sales_aggregate { aggregate { sum { amount } } } }
    some: shop(where: {sales_aggregate: {count: {arguments: amount, predicate: {_lte: 3}}}}, order_by: {id: asc}) { id }
    none: shop(where: {sales_aggregate: {bool_or: {arguments: secret, predicate: {_eq: false}}}}) { id }
  }`;
  const { all, some, none } = await ways.agree(query, as('both'));
  const seen = all as { sales_aggregate: { aggregate: { sum: { amount: number } } } }[];
  for (const { sales_aggregate } of seen) expect(sales_aggregate.aggregate.sum.amount).toBeGreaterThan(10);
  expect([ids(all), ids(some), none]).toMatchInlineSnapshot(`
    [
      [
        1,
        2,
        3,
        4,
        5,
        6,
      ],
      [
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
      ],
      [],
    ]
  `);
});

test('a count of several columns passes over a null as over a cell that the role may not see', async () => {
  const where = (columns: string): string =>
    `{sales_aggregate: {count: {arguments: ${columns}, predicate: {_lt: 5}}}}`;
  const shops = (columns: string): string => `shop(where: ${where(columns)}, order_by: {id: asc}) { id }`;
  for (const asking of [{}, as('both')]) {
    const { one, two } = await ways.agree(`{ one: ${shops('paid')} two: ${shops('[id, paid]')} }`, asking);
    expect(two).toEqual(one);
  }
});

test('cells that the role may not see are null, in what is shown, found, ordered and counted', async () => {
  const query = `{
    shop(order_by: {id: asc}) { id sales(order_by: [{amount: asc_nulls_first}, {id: asc}]) { id paid amount } }
    found: shop(where: {sales: {amount: {_gt: 9}}}, order_by: [{sales_aggregate: {max: {amount: desc}}}, {id: asc}]) { id }
    not: shop(where: {sales: {_not: {secret: {_eq: true}}}}, order_by: {id: asc}) { id sales(distinct_on: secret, order_by: [{secret: asc}, {id: asc}]) { secret } }
    shop_aggregate { nodes { id sales_aggregate { aggregate { count(columns: secret) min { amount } } } } }
  }`;
  const { shop } = await ways.agree(query, as('both'));
  const sales = (shop as { sales: { id: number; amount: number | null }[] }[]).flatMap((one) => one.sales);
  for (const { id, amount } of sales) expect(amount === null).toBe(id % 2 === 1);
});

test.each([
  ['{_or: [{amount: {_gt: 9}}, {id: {_lt: 0}}]}', 'secret and amount > 9'],
  ['{_not: {amount: {_gt: 9}}}', 'secret and amount <= 9'],
  ['{_not: {_and: [{amount: {_gt: 9}}, {id: {_gt: 0}}]}}', 'secret and amount <= 9'],
  ['{_not: {_or: [{amount: {_gt: 9}}, {id: {_lt: 0}}]}}', 'secret and amount <= 9'],
  ['{_not: {_not: {amount: {_gt: 9}}}}', 'secret and amount > 9'],
  ['{_or: [{amount: {_is_null: true}}, {id: {_lt: 0}}]}', 'not secret'],
])(
  'neither a condition on a cell that the role may not see nor its contrary is met: %s',
  async (where, rows) => {
    const { sale } = await ways.agree(`{ sale(where: ${where}, order_by: {id: asc}) { id } }`, as('both'));
    const { rows: expected } = await ways.all.query(`select id from sale where ${rows} order by id`);
    expect(ids(sale)).toEqual(ids(expected));
  },
);

test('related rows are counted in a condition only as far as the role sees them', async () => {
  const query =
    '{ shop(where: {sales_aggregate: {count: {predicate: {_eq: 3}}}}, order_by: {id: asc}) { id } }';
  const { shop } = await ways.agree(query, as('auditor'));
  const { rows } = await ways.all.query(
    'select id from shop where (select count(*) from sale where shop_id = shop.id and secret) = 3 order by id',
  );
  expect(ids(shop)).toEqual(ids(rows));
  expect(rows.length).toBeGreaterThan(0);
});

test('cells that the role may not see are compared with a list of none as nulls are: none is in it', async () => {
  const query = `query($none: [float8!]) {
    all: sale_aggregate { aggregate { count } }
    outside: sale_aggregate(where: {amount: {_nin: $none}}) { aggregate { count } }
    not_in: sale_aggregate(where: {_not: {amount: {_in: []}}}) { aggregate { count } }
    written: sale_aggregate(where: {_not: {amount: {_cast: {String: {_is_null: false, _in: ["x"]}}}}}) { aggregate { count } }
    in: sale_aggregate(where: {amount: {_in: $none}}) { aggregate { count } }
  }`;
  const {
    all,
    outside,
    not_in,
    written,
    in: found,
  } = await ways.agree(query, { ...as('both'), variables: { none: [] } });
  expect([outside, not_in, written]).toEqual([all, all, all]);
  expect(found).toEqual({ aggregate: { count: 0 } });
});
