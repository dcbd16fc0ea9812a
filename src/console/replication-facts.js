/**
 * One feed of `GET /v1/replication`.
 * @typedef {object} Feed
 * @property {string} target
 * @property {string} source
 * @property {string} connector
 * @property {string} state
 * @property {string | null} reason
 * @property {string | null} slot
 * @property {string | null} position
 * @property {string | null} target_position
 * @property {number | null} staleness_ms
 * @property {number | null} lag_bytes
 * @property {number | null} retained_wal_bytes
 * @property {number} transactions_applied
 * @property {number} changes_applied
 * @property {number | null} verified_at
 * @property {number | null} rows_differing
 * @property {FeedTable[]} tables
 * @property {string | null} last_error
 */

/**
 * One table of a feed.
 * @typedef {object} FeedTable
 * @property {string} schema
 * @property {string} name
 * @property {string} state
 * @property {number} rows_copied
 * @property {number | null} rows_estimated
 * @property {string} [reason]
 */

/**
 * A span of time for people; unknown is never zero.
 * @param {number | null} ms
 * @returns {string}
 */
export function duration(ms) {
  if (ms === null) return 'unknown';
  if (ms < 1000) return `${ms} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

/**
 * A size for people; unknown is never zero.
 * @param {number | null} count
 * @returns {string}
 */
export function bytes(count) {
  if (count === null) return 'unknown';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/**
 * How a state is coloured: as good, as bad, or as neither yet.
 * @param {string} state
 * @returns {'good' | 'warn' | 'bad'}
 */
export function stateTone(state) {
  if (state === 'streaming' || state === 'ready') return 'good';
  return state === 'failed' ? 'bad' : 'warn';
}

/**
 * @param {Pick<FeedTable, 'state'>} table
 * @returns {boolean}
 */
export function isWhole({ state }) {
  return state === 'ready' || state === 'catching-up';
}
