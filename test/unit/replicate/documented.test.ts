import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DEFAULT_KAFKA_TIMINGS } from '../../../connectors/kafka/settings.ts';
import { DEFAULT_TIMINGS, LARGE_BYTES } from '../../../connectors/postgres/settings.ts';
import { SHORT_ROW_BYTES } from '../../../src/core/rows/compared-rows.ts';
import { DEFAULT_READ_SETTINGS } from '../../../src/read/settings.ts';
import { DEFAULT_LIMITS, REFUSED_MS } from '../../../src/replicate/feed-options.ts';
import { ORPHAN_LOCK_MS } from '../../../src/replicate/table/orphans.ts';
import { USUAL_PACE } from '../../../src/replicate/verify/compare-table.ts';

const PAGE = readFileSync(new URL('../../../docs/limits.md', import.meta.url), 'utf8');
const ROWS = [...PAGE.matchAll(/^\| (.*?) \| (.*) \|$/gm)].map(([, limit, of]) => `${limit} | ${of}`);

const { batch, stage, early, copy, retryMs, ...limits } = DEFAULT_LIMITS;
const [count, mb] = [
  (value: number): string => value.toLocaleString('en'),
  (bytes: number): string => `${bytes >> 20} MB`,
];
const seconds = (ms: number): string => `${ms / 1000} seconds`;
const minutes = (ms: number): string => (ms === 3_600_000 ? '1 hour' : `${ms / 60_000} minute`);

test.each([
  `${count(batch.rows)} rows or ${mb(batch.bytes)} | one batch`,
  `${stage.rows} rows or ${stage.bytes >> 10} kB | of one table`,
  `${mb(LARGE_BYTES)} | a row`,
  `${DEFAULT_READ_SETTINGS.preparedStatements} in a session that answers`,
  `${early.most} transactions, ${early.savepoints} subtransactions of each, ${minutes(early.openMs)}`,
  `${limits.parallelCopies} tables | of a target`,
  `${copy.wholeBytes >> 30} GB | a table`,
  `pieces of ${mb(copy.pieceBytes)}`,
  `${seconds(copy.snapshotMs)} | that a snapshot`,
  `${ORPHAN_LOCK_MS} ms | that the drop`,
  `${count(USUAL_PACE.pageRows)} rows | that a comparison`,
  `${count(USUAL_PACE.pageRows * USUAL_PACE.pagesAtOnce)} rows | that it reads`,
  `${SHORT_ROW_BYTES} bytes | a row`,
  `${DEFAULT_READ_SETTINGS.liveInlineRows} rows | fetched`,
  `${seconds(DEFAULT_TIMINGS.connectMs)} | a feed's connection`,
  `${seconds(DEFAULT_TIMINGS.statementMs)} | a feed's statement`,
  `${seconds(DEFAULT_TIMINGS.lockMs)} | a feed's wait`,
  `${seconds(DEFAULT_TIMINGS.silenceMs)} | of silence, after which a stream counts as dead; the target ends one after ${DEFAULT_TIMINGS.walSenderTimeoutMs / 1000}`,
  `${seconds(limits.leaderStaleMs)} | of silence, after which a leader`,
  `${retryMs.first / 1000} to ${seconds(retryMs.longest)} | until a feed`,
  `${seconds(limits.unfitRetryMs)} | the same, while`,
  `${minutes(limits.goneRetryMs)} | the same at the longest`,
  `${seconds(REFUSED_MS)} | until a target`,
  `${seconds(limits.schemaPollMs)} | between two looks`,
  `${seconds(limits.addressPollMs)} | between two looks`,
  `${minutes(limits.unreadMs)} | that nobody`,
  `${minutes(limits.giveUpAfterMs)} | that removing`,
  `${seconds(DEFAULT_READ_SETTINGS.connectTimeoutMs)} | a connection to a database for answers`,
  `${seconds(DEFAULT_KAFKA_TIMINGS.requestMs)} | a request to a Kafka`,
  `${seconds(DEFAULT_KAFKA_TIMINGS.silenceMs)} | of silence of a Kafka`,
  `${seconds(DEFAULT_KAFKA_TIMINGS.barrierMs)} | until a position`,
])('docs/limits.md names what holds: %s', (said) => {
  // 500 is no part of 2,500.
  expect(ROWS.filter((row) => ` ${row}`.includes(` ${said}`))).toHaveLength(1);
});
