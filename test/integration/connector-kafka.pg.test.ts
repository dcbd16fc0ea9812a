import { expect, test } from 'vitest';
import { kafkaConnector } from '../../connectors/kafka/connector.ts';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import { freshName, silentLog } from '../support/connector.ts';
import { createDatabase } from '../support/postgres.ts';

test('a slot from before a target was followed through Kafka is dropped, also where its cache goes on', async () => {
  const database = await createDatabase('target', ['create table item (id int primary key)']);
  const options = { url: database.url, name: freshName(), log: silentLog };
  const before = postgresConnector(options);
  const connector = kafkaConnector({
    ...options,
    cluster: { brokers: ['127.0.0.1:1'], tls: null, login: null },
    kafka: { topicPrefix: 'p', slot: 'debezium', publication: 'debezium', placeholder: 'unavailable' },
  });
  try {
    await before.createSlot(new AbortController().signal);
    if (database.server.version >= 15) await connector.identify();
    else await expect(connector.identify()).rejects.toMatchObject({ failure: 'unfit' });
    const left = await database.query(
      `select slot_name from pg_replication_slots where database = current_database()
       union all select pubname from pg_publication`,
    );
    expect(left.rows).toHaveLength(database.server.version >= 15 ? 0 : 2);
  } finally {
    await Promise.all([before.close(), connector.close()]);
    await database.drop();
  }
});
