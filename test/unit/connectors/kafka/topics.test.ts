import { expect, test } from 'vitest';
import { shareOf } from '../../../../connectors/kafka/consume.ts';
import { TopicBook } from '../../../../connectors/kafka/topics.ts';

/** As kafkajs answers: all of it is refused where one topic is not there, may not be seen, or has no leader. */
function bookOf(topics: Readonly<Record<string, number | string>>): TopicBook {
  const unused = (): never => {
    throw new Error('not asked for');
  };
  return new TopicBook({
    fetchTopicMetadata: ({ topics: asked } = { topics: [] }) => {
      const names = asked.length === 0 ? Object.keys(topics) : asked;
      const found = names.map((name) => {
        const known = topics[name] ?? 'UNKNOWN_TOPIC_OR_PARTITION';
        if (typeof known === 'string') throw Object.assign(new Error('no'), { type: known });
        const partitions = Array.from({ length: known }, (_, partitionId) => {
          return { partitionErrorCode: 0, partitionId, leader: 1, replicas: [], isr: [] };
        });
        return { name, partitions };
      });
      return Promise.resolve({ topics: found });
    },
    fetchTopicOffsets: unused,
    fetchTopicOffsetsByTimestamp: unused,
  });
}

const LEADERLESS = { somebodys: 'LEADER_NOT_AVAILABLE' };

test('topics that are not there are left out, and nobody else’s count', async () => {
  const book = bookOf({ a: 1, c: 3, e: 5, ...LEADERLESS });
  expect(await book.partitions(['a', 'b', 'c', 'd', 'e'])).toEqual(
    new Map([
      ['a', 1],
      ['c', 3],
      ['e', 5],
    ]),
  );
  expect(await book.partitions(['b'])).toEqual(new Map());
  expect(await book.partitions([])).toEqual(new Map());
});

test('a topic that may not be seen is named', async () => {
  const book = bookOf({ a: 1, b: 'TOPIC_AUTHORIZATION_FAILED', ...LEADERLESS });
  await expect(book.partitions(['a', 'missing', 'b'])).rejects.toMatchObject({
    failure: 'unfit',
    message: 'Kafka does not grant the right Describe on the topic b',
  });
});

test('another failure of one of the topics is that of all', async () => {
  await expect(bookOf({ a: 1, ...LEADERLESS }).partitions(['a', 'somebodys'])).rejects.toThrow('no');
});

test('the more partitions there are, the less of each is read ahead', () => {
  const shares = [1, 8, 64, 1_000, 1_000_000].map((partitions) => shareOf(8 << 20, partitions));
  expect(shares).toEqual([1 << 20, 1 << 20, 128 << 10, 64 << 10, 64 << 10]);
});
