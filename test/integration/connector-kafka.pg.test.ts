import { expect, test } from 'vitest';
import { kafkaConnector } from '../../connectors/kafka/connector.ts';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import { freshName, silentLog } from '../support/connector.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

interface Options {
  readonly url: string;
  readonly name: string;
  readonly log: typeof silentLog;
}

async function withTarget(
  statements: readonly string[],
  use: (database: TestDatabase, options: Options) => Promise<void>,
): Promise<void> {
  const database = await createDatabase('target', statements);
  try {
    await use(database, { url: database.url, name: freshName(), log: silentLog });
  } finally {
    await database.drop();
  }
}

/** Through Kafka only Postgres 15 and newer is followed. */
async function identifies(database: TestDatabase, options: Options): Promise<boolean> {
  const connector = kafkaConnector({
    ...options,
    cluster: { brokers: ['127.0.0.1:1'], tls: null, login: null },
    kafka: { topicPrefix: 'p', slot: 'debezium', publication: 'debezium', placeholder: 'unavailable' },
  });
  const isFollowed = database.server.version >= 15;
  try {
    if (isFollowed) await connector.identify();
    else await expect(connector.identify()).rejects.toMatchObject({ failure: 'unfit' });
  } finally {
    await connector.close();
  }
  return isFollowed;
}

test('a slot from before a target was followed through Kafka is dropped, also where its cache goes on', async () => {
  await withTarget(['create table item (id int primary key)'], async (database, options) => {
    const before = postgresConnector(options);
    try {
      await before.createSlot(new AbortController().signal);
      const isFollowed = await identifies(database, options);
      const left = await database.query(
        `select slot_name from pg_replication_slots where database = current_database()
         union all select pubname from pg_publication`,
      );
      expect(left.rows).toHaveLength(isFollowed ? 0 : 2);
    } finally {
      await before.close();
    }
  });
});

test('where no slot of ours is left, an event trigger that refuses every definition hinders nothing', async () => {
  const statements = [
    `create function refuse() returns event_trigger language plpgsql as $$ begin raise exception 'not today'; end $$`,
    'create event trigger refuse on ddl_command_start execute function refuse()',
  ];
  await withTarget(statements, async (database, options) => {
    expect(await identifies(database, options)).toBe(database.server.version >= 15);
  });
});
