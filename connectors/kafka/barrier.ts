import { must } from '../../src/core/assert.ts';
import { systemClock } from '../../src/core/waiting/clock.ts';
import { ConnectorError } from '../connector.ts';
import type { AdminPool } from '../postgres/client.ts';
import { EndCursor, type EndRecord } from './progress.ts';
import type { KafkaTarget } from './settings.ts';
import { askKafka, type KafkaClient } from './topics.ts';

/** What a barrier goes through. */
export interface BarrierOptions {
  readonly client: KafkaClient;
  /** The topic of transactions. */
  readonly topic: string;
  readonly admin: AdminPool;
  readonly kafka: KafkaTarget;
}

const LOOK_MS = 100;

/**
 * Commits a transaction on the target and waits for its end in the topic of transactions: by then everything before it has
 * come through Debezium, and what follows comes later. When it does not come, throws a ConnectorError that says where to look.
 */
export async function awaitBarrier(options: BarrierOptions, signal: AbortSignal): Promise<EndRecord> {
  const { client, topic } = options;
  const deadline = performance.now() + client.timings.barrierMs;
  const from = await untilTopic(options, deadline, signal);
  const cursor = await EndCursor.open(client, topic, from);
  try {
    const xid = await commitMessage(options.admin);
    while (performance.now() < deadline && !signal.aborted) {
      const end = await cursor.soon(LOOK_MS);
      if (end?.event.xid === xid) return end;
    }
    throw missing(options, `a transaction made on the target did not come out of the topic ${topic}`);
  } finally {
    cursor.close();
  }
}

/** Where the topic ends. Debezium makes it with its first transaction, so where there is none yet, one is committed. */
async function untilTopic(options: BarrierOptions, deadline: number, signal: AbortSignal): Promise<bigint> {
  const { client, topic, admin } = options;
  return await askKafka(client, async (topics) => {
    for (let tries = 0; ; tries += 1) {
      const extent = await topics.transactions(topic);
      if (extent !== null) return extent.high;
      if (tries === 0) await commitMessage(admin);
      if (performance.now() >= deadline || signal.aborted)
        throw missing(options, `the topic ${topic} was not made`);
      await systemClock.delay(LOOK_MS, signal);
    }
  });
}

/** Commits a transaction; returns its number without the epoch, which is how Debezium tells it. */
async function commitMessage(admin: AdminPool): Promise<string> {
  return await admin.transaction(async (query) => {
    await query(`set local synchronous_commit = local`);
    const rows = await query<{ xid: string }>(
      `select (pg_current_xact_id()::text::numeric % 4294967296)::text as xid,
         pg_logical_emit_message(true, 'nearjoin', '')`,
    );
    return must(rows[0], 'the number of a transaction').xid;
  });
}

function missing({ client, kafka }: BarrierOptions, what: string): ConnectorError {
  const seconds = Math.round(client.timings.barrierMs / 1000);
  const look = `see that the Debezium connector with topic.prefix=${kafka.topicPrefix} and slot.name=${kafka.slot} runs, with provide.transaction.metadata=true`;
  return new ConnectorError('unfit', `${what} within ${seconds} seconds: ${look}`);
}
