import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';

// What a lean live remote join costs: one query on the source, one on the target for the distinct keys, a stitch in Node.

const { SOURCE_URL, TARGET_URL } = process.env;
const source = new pg.Pool({ connectionString: SOURCE_URL, max: 4 });
const target = new pg.Pool({ connectionString: TARGET_URL, max: 4 });

interface Row {
  readonly [column: string]: unknown;
}

async function rows(pool: pg.Pool, name: string, text: string, values: unknown[]): Promise<Row[]> {
  return (await pool.query<Row>({ name, text, values })).rows;
}

async function withUsers(parents: Row[], shape: (row: Row, user: unknown) => unknown): Promise<unknown[]> {
  const keys = [...new Set(parents.map((row) => row['user_id']))];
  const users = await rows(target, 'users', 'select id, name from users where id = any($1::int[])', [keys]);
  const byId = new Map(users.map((user) => [user['id'], user]));
  return parents.map((row) => shape(row, byId.get(row['user_id']) ?? null));
}

const order = ({ user_id: _, ...rest }: Row, user: unknown): unknown => ({ ...rest, user });

const answers: Record<string, (variables: Row) => Promise<unknown>> = {
  W1: async ({ id }) => {
    const found = await rows(
      source,
      'w1',
      'select id, status, total::float8 as total, user_id from orders where id = $1',
      [id],
    );
    return { orders_by_pk: (await withUsers(found, order))[0] ?? null };
  },
  W2: async ({ status, offset }) => ({
    orders: await withUsers(
      await rows(
        source,
        'w2',
        'select id, status, total::float8 as total, user_id from orders where status = $1 order by id limit 50 offset $2',
        [status, offset],
      ),
      order,
    ),
  }),
  W3: async ({ id }) => {
    const products = await rows(
      source,
      'w3',
      'select id, name from products where id > $1 order by id limit 20',
      [id],
    );
    const found = await rows(
      target,
      'w3r',
      `select k.id as parent, r.id, r.stars, r.body, json_build_object('id', u.id, 'name', u.name) as user from unnest($1::int[]) k(id)
        cross join lateral (select * from reviews where product_id = k.id order by created_at desc, id limit 5) r join users u on u.id = r.user_id`,
      [products.map((product) => product['id'])],
    );
    const byParent = new Map<unknown, Row[]>();
    for (const row of found) byParent.set(row['parent'], [...(byParent.get(row['parent']) ?? []), row]);
    return {
      products: products.map((product) => ({
        ...product,
        reviews: (byParent.get(product['id']) ?? []).map(({ parent: _, ...rest }) => rest),
      })),
    };
  },
  W4: async ({ id }) => ({
    orders: await withUsers(
      await rows(
        source,
        'w4',
        'select id, status, total::float8 as total, note, created_at, user_id from orders where id > $1 order by id limit 2000',
        [id],
      ),
      order,
    ),
  }),
  W5: async ({ country }) => {
    const users = await rows(target, 'w5', 'select id, name from users where country = $1', [country]);
    const byId = new Map(users.map((user) => [user['id'], user]));
    const found = await rows(
      source,
      'w5o',
      'select id, total::float8 as total, user_id from orders where user_id = any($1::int[])',
      [[...byId.keys()]],
    );
    const joined = found.map((row) => order(row, byId.get(row['user_id']))) as {
      id: number;
      user: { name: string };
    }[];
    joined.sort((a, b) => (a.user.name < b.user.name ? -1 : a.user.name > b.user.name ? 1 : a.id - b.id));
    return { orders: joined.slice(0, 20) };
  },
};

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  const answer = async (): Promise<void> => {
    const { query, variables } = JSON.parse(Buffer.concat(chunks).toString()) as {
      query: string;
      variables: Row;
    };
    const body = JSON.stringify({ data: await answers[query.slice(6, 8)]?.(variables) });
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    });
    response.end(body);
  };
  request.on('end', () => {
    answer().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
});

server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
