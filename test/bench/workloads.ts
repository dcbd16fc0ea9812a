/** One read workload: the GraphQL a client sends, and the best hand-written SQL for the same answer. */
export interface Workload {
  readonly name: string;
  readonly about: string;
  readonly query: string;
  /** The same question in PostGraphile's schema, aliased so that the answer has the same shape. */
  readonly postgraphile: string;
  /** Variables of the n-th request. */
  variables(n: number): Record<string, unknown>;
  /** SQL whose single text cell is the whole body; `users` and `reviews` are the names of the local copies. */
  sql(users: string, reviews: string): string;
  /** Parameters of the SQL for the same variables. */
  parameters(variables: Record<string, unknown>): unknown[];
}

const COUNTRIES = 100;

/** A cheap reproducible scatter, so that both contenders meet the same requests. */
function scatter(n: number, below: number): number {
  return Math.abs(Math.imul(n + 1, 2_654_435_761 | 0)) % below;
}

const user = (alias: string): string =>
  `'{"id":' || ${alias}.id || ',"name":' || to_json(${alias}.name)::text || '}'`;

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'W1',
    about: 'one order by key with its user',
    query: 'query W1($id: Int!) { orders_by_pk(id: $id) { id status total user { id name } } }',
    postgraphile: `query W1($id: Int!) { orders_by_pk: orderByRowId(rowId: $id) { id: rowId status total user: userByUserId { id: rowId name } } }`,
    variables: (n) => ({ id: 1 + scatter(n, 500_000) }),
    sql: (
      users,
    ) => `select '{"data":{"orders_by_pk":' || coalesce((select '{"id":' || o.id || ',"status":' || to_json(o.status)::text
      || ',"total":' || o.total || ',"user":' || coalesce((select ${user('u')} from ${users} u where u.id = o.user_id), 'null') || '}'
      from orders o where o.id = $1::int), 'null') || '}}'`,
    parameters: ({ id }) => [id],
  },
  {
    name: 'W2',
    about: '50 orders by status at an offset, each with its user',
    query: `query W2($status: String!, $offset: Int!) {
      orders(where: {status: {_eq: $status}}, order_by: {id: asc}, limit: 50, offset: $offset) { id status total user { id name } } }`,
    postgraphile: `query W2($status: String!, $offset: Int!) {
      orders: allOrdersList(condition: {status: $status}, orderBy: ROW_ID_ASC, first: 50, offset: $offset) { id: rowId status total user: userByUserId { id: rowId name } } }`,
    variables: (n) => ({ status: ['open', 'paid', 'sent', 'done'][n % 4], offset: scatter(n, 1000) }),
    sql: (
      users,
    ) => `select '{"data":{"orders":' || coalesce('[' || string_agg('{"id":' || o.id || ',"status":' || to_json(o.status)::text
      || ',"total":' || o.total || ',"user":' || coalesce((select ${user('u')} from ${users} u where u.id = o.user_id), 'null') || '}', ',') || ']', '[]') || '}}'
      from (select id, status, total, user_id from orders where status = $1::text order by id limit 50 offset $2::int) o`,
    parameters: ({ status, offset }) => [status, offset],
  },
  {
    name: 'W3',
    about: '20 products, each with its 5 newest reviews and their users',
    query: `query W3($id: Int!) { products(where: {id: {_gt: $id}}, order_by: {id: asc}, limit: 20) {
      id name reviews(order_by: [{created_at: desc}, {id: asc}], limit: 5) { id stars body user { id name } } } }`,
    postgraphile: `query W3($id: Int!) { products: allProductsList(filter: {rowId: {greaterThan: $id}}, orderBy: ROW_ID_ASC, first: 20) {
      id: rowId name reviews: reviewsByProductIdList(orderBy: [CREATED_AT_DESC, ROW_ID_ASC], first: 5) { id: rowId stars body user: userByUserId { id: rowId name } } } }`,
    variables: (n) => ({ id: scatter(n, 49_000) }),
    sql: (
      users,
      reviews,
    ) => `select '{"data":{"products":' || coalesce('[' || string_agg('{"id":' || p.id || ',"name":' || to_json(p.name)::text || ',"reviews":' ||
      (select coalesce('[' || string_agg('{"id":' || r.id || ',"stars":' || r.stars || ',"body":' || to_json(r.body)::text || ',"user":'
        || coalesce((select ${user('u')} from ${users} u where u.id = r.user_id), 'null') || '}', ',') || ']', '[]')
       from (select id, stars, body, user_id from ${reviews} where product_id = p.id order by created_at desc, id limit 5) r) || '}', ',') || ']', '[]') || '}}'
      from (select id, name from products where id > $1::int order by id limit 20) p`,
    parameters: ({ id }) => [id],
  },
  {
    name: 'W4',
    about: '2,000 orders with their users',
    query: `query W4($id: Int!) { orders(where: {id: {_gt: $id}}, order_by: {id: asc}, limit: 2000) {
      id status total note created_at user { id name } } }`,
    postgraphile: `query W4($id: Int!) { orders: allOrdersList(filter: {rowId: {greaterThan: $id}}, orderBy: ROW_ID_ASC, first: 2000) {
      id: rowId status total note created_at: createdAt user: userByUserId { id: rowId name } } }`,
    variables: (n) => ({ id: scatter(n, 490_000) }),
    sql: (
      users,
    ) => `select '{"data":{"orders":' || coalesce('[' || string_agg('{"id":' || o.id || ',"status":' || to_json(o.status)::text
      || ',"total":' || o.total || ',"note":' || to_json(o.note)::text || ',"created_at":' || to_json(o.created_at)::text || ',"user":'
      || coalesce((select ${user('u')} from ${users} u where u.id = o.user_id), 'null') || '}', ',') || ']', '[]') || '}}'
      from (select id, status, total, note, created_at, user_id from orders where id > $1::int order by id limit 2000) o`,
    parameters: ({ id }) => [id],
  },
  {
    name: 'W5',
    about: 'orders of the users of one country, ordered by user name',
    query: `query W5($country: String!) { orders(where: {user: {country: {_eq: $country}}}, order_by: [{user: {name: asc}}, {id: asc}], limit: 20) {
      id total user { id name } } }`,
    postgraphile: `query W5($country: String!) { orders: allOrdersList(filter: {userByUserId: {country: {equalTo: $country}}}, orderBy: [USER_NAME_ASC, ROW_ID_ASC], first: 20) {
      id: rowId total user: userByUserId { id: rowId name } } }`,
    variables: (n) => ({ country: `c${n % COUNTRIES}` }),
    sql: (
      users,
    ) => `select '{"data":{"orders":' || coalesce('[' || string_agg('{"id":' || o.id || ',"total":' || o.total || ',"user":'
      || '{"id":' || o.uid || ',"name":' || to_json(o.name)::text || '}}', ',') || ']', '[]') || '}}'
      from (select o.id, o.total, u.id as uid, u.name from ${users} u join orders o on o.user_id = u.id where u.country = $1::text
        order by u.name, o.id limit 20) o`,
    parameters: ({ country }) => [country],
  },
];

/** Tables and rows of the workloads; `scale` 1 is the full size. */
export function dataSql(scale: number): {
  readonly source: readonly string[];
  readonly target: readonly string[];
} {
  const rows = (n: number): number => Math.max(100, Math.round(n * scale));
  return {
    source: [
      'create table orders (id int primary key, user_id int not null, status text not null, total numeric(10,2) not null, note text not null, created_at timestamptz not null)',
      'create table products (id int primary key, name text not null)',
      `insert into orders select i, 1 + (i::bigint * 7919) % ${rows(200_000)}, (array['open','paid','sent','done'])[1 + i % 4], (i % 10000) / 100.0,
        'note ' || md5(i::text), timestamptz '2024-01-01' + i * interval '1 minute' from generate_series(1, ${rows(500_000)}) i`,
      `insert into products select i, 'product ' || i from generate_series(1, ${rows(50_000)}) i`,
      'create index on orders (user_id)',
      'create index on orders (status, id)',
      'vacuum analyze',
    ],
    target: [
      'create table users (id int primary key, name text not null, country text not null)',
      'create table reviews (id int primary key, product_id int not null, user_id int not null, stars int not null, body text not null, created_at timestamptz not null)',
      `insert into users select i, 'user ' || md5(i::text), 'c' || (i % ${COUNTRIES}) from generate_series(1, ${rows(200_000)}) i`,
      `insert into reviews select i, 1 + (i::bigint * 31) % ${rows(50_000)}, 1 + (i::bigint * 17) % ${rows(200_000)}, 1 + i % 5, repeat(md5(i::text), 6),
        timestamptz '2024-01-01' + (i::bigint * 13 % 500000) * interval '1 minute' from generate_series(1, ${rows(1_000_000)}) i`,
      'create index on users (country, name)',
      'create index on reviews (product_id, created_at desc, id)',
      'create index on reviews (user_id)',
      'vacuum analyze',
    ],
  };
}
