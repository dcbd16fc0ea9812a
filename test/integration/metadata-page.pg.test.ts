import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { withClient } from '../../src/demo/databases.ts';
import { loadDemo } from '../../src/demo/load.ts';
import { Screen } from '../../src/demo/screen.ts';
import { NearjoinHere } from '../support/nearjoin-here.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// What docs/metadata.md says to send is sent, in its order, to the demo's databases.

const PAGE = readFileSync(new URL('../../docs/metadata.md', import.meta.url), 'utf8');
const BLOCKS = [...PAGE.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, language = '', text = '']) => {
  return { language, text };
});
const COMMANDS = BLOCKS.filter(({ text }) => text.startsWith('{"type"')).map(({ text }) => JSON.parse(text));
const QUIET = new Screen(new PassThrough().resume());
const TO_USER = {
  relationship_type: 'object',
  source: 'pg2',
  table: 'user',
  field_mapping: { user_id: 'id' },
};
const TO_ORDERS = {
  relationship_type: 'array',
  source: 'pg1',
  table: 'order',
  field_mapping: { id: 'user_id' },
};

let pg1: TestDatabase;
let pg2: TestDatabase;
let server: NearjoinHere;

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([createDatabase('source'), createDatabase('target')]);
  await withClient(pg1.url, (orders) =>
    withClient(pg2.url, (users) => loadDemo({ orders, users }, 500, QUIET, new AbortController().signal)),
  );
  await pg1.query(BLOCKS.find(({ language }) => language === 'sql')?.text ?? '');
  await pg2.query(`create table country (code text primary key);
    create function user_full_name(one "user", session json) returns text language sql stable as $$ select one.name $$`);
  vi.stubEnv('PG2_URL', pg2.url);
  server = await NearjoinHere.start({ NEARJOIN_ROLES: 'api', NEARJOIN_ENABLE_APOLLO_FEDERATION: 'true' });
});

afterAll(async () => {
  await server.stop();
  vi.unstubAllEnvs();
  await Promise.all([pg1.drop(), pg2.drop()]);
});

test('every command of docs/metadata.md is carried out, and what it shows is what is answered', async () => {
  await server.addSources({ pg1 });
  await server.command('pg_track_table', { source: 'pg1', table: 'order' });
  for (const { type, args } of COMMANDS) {
    await server.command(type, args);
    if (type === 'pg_track_table') await demoMetadata();
  }
  const shown = BLOCKS.flatMap(({ language, text }, at) => {
    const answer = BLOCKS[at + 1]?.text ?? '';
    return language === 'graphql' && answer.startsWith('{"data"') ? [{ query: text, answer }] : [];
  });
  const [, representations = ''] = /for `(\[\{"__typename".*?\])`/.exec(PAGE) ?? [];
  const variables = { representations: JSON.parse(representations) };

  expect(COMMANDS.length).toBeGreaterThan(10);
  expect(shown).toHaveLength(2);
  for (const { query, answer } of shown) {
    const { body } = await server.graphql(query, {}, query.includes('$representations') ? { variables } : {});
    expect(body).toEqual(JSON.parse(answer));
  }
  const [, path = '', rows = ''] = /^\$ curl -s 'http:..127\.0\.0\.1:8080(.*?)'\n(.*)$/m.exec(PAGE) ?? [];
  expect((await server.get(path)).body).toEqual(JSON.parse(rows));
});

/** What the demo has from the start, and what the page speaks of beside it. */
async function demoMetadata(): Promise<void> {
  await server.command('pg_track_table', { source: 'pg2', table: 'country' });
  for (const [source, table, name, to] of [
    ['pg1', 'order', 'user', TO_USER],
    ['pg2', 'user', 'orders', TO_ORDERS],
  ] as const)
    await server.command('pg_create_remote_relationship', {
      source,
      table,
      name,
      definition: { to_source: to },
    });
  await server.command('pg_create_select_permission', {
    source: 'pg1',
    table: 'order',
    role: 'user',
    permission: { columns: ['id'], filter: {} },
  });
}
