import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { WORKLOADS } from './workloads.ts';

// The limit: bare node:http, the best hand-written SQL, prepared, `pg` with a pool of 8, the text written through.

const { DATABASE_URL, USERS, REVIEWS } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 8 });

const statements = new Map(
  WORKLOADS.map((workload) => [workload.name, { workload, text: workload.sql(USERS ?? '', REVIEWS ?? '') }]),
);

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  const answer = async (): Promise<void> => {
    const { query, variables } = JSON.parse(Buffer.concat(chunks).toString()) as {
      query: string;
      variables: Record<string, unknown>;
    };
    const found = statements.get(query.slice(6, 8));
    if (found === undefined) throw new Error(`no workload for ${query}`);
    const { workload, text } = found;
    const { rows } = await pool.query({
      name: workload.name,
      text,
      values: workload.parameters(variables),
      rowMode: 'array',
    });
    const body = String(rows[0]?.[0]);
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
