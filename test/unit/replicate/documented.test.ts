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
  `From ${stage.rows} rows or ${stage.bytes >> 10} kB of one table`,
  `${mb(LARGE_BYTES)} | a row`,
  `${DEFAULT_READ_SETTINGS.preparedStatements} in a session that answers`,
  `${early.most} transactions, ${early.savepoints} subtransactions of each, ${minutes(early.openMs)}`,
  `${limits.parallelCopies} tables | read`,
  `up to ${copy.wholeBytes >> 30} GB a table`,
  `pieces of ${mb(copy.pieceBytes)}`,
  `for more than ${seconds(copy.snapshotMs)}`,
  `${ORPHAN_LOCK_MS} ms | that the drop`,
  `${count(USUAL_PACE.pageRows)} rows; ${USUAL_PACE.pagesAtOnce} times as many; ${SHORT_ROW_BYTES} bytes | that a comparison`,
  `${DEFAULT_READ_SETTINGS.liveInlineRows} rows | fetched`,
  [DEFAULT_TIMINGS.connectMs, DEFAULT_TIMINGS.statementMs, DEFAULT_TIMINGS.lockMs].map(seconds).join('; '),
  `${seconds(DEFAULT_TIMINGS.silenceMs)} | of silence, after which a stream counts as dead; the target ends one after ${DEFAULT_TIMINGS.walSenderTimeoutMs / 1000}`,
  `${seconds(limits.leaderStaleMs)} | of silence, after which a leader`,
  `${retryMs.first / 1000} to ${seconds(retryMs.longest)}; ${seconds(limits.unfitRetryMs)}; ${minutes(limits.goneRetryMs)} | until a feed`,
  `${seconds(REFUSED_MS)} | until a target`,
  `${seconds(limits.schemaPollMs)}; ${seconds(limits.addressPollMs)} | between two looks`,
  `${minutes(limits.unreadMs)}; ${minutes(limits.giveUpAfterMs)} | that nobody`,
  `${seconds(DEFAULT_READ_SETTINGS.connectTimeoutMs)} | a connection to a database for answers`,
  [DEFAULT_KAFKA_TIMINGS.requestMs, DEFAULT_KAFKA_TIMINGS.silenceMs, DEFAULT_KAFKA_TIMINGS.barrierMs]
    .map(seconds)
    .join('; '),
])('docs/limits.md names what holds: %s', (said) => {
  // 500 is no part of 2,500.
  expect(ROWS.filter((row) => ` ${row}`.includes(` ${said}`))).toHaveLength(1);
});
