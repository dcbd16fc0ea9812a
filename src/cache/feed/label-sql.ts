/** A feed's history, as `HistoryName` spells it. */
const HISTORY = `f.system_id || '.' || f.timeline`;

/** Asks which history of a target the cache holds: one cell, null while that is unknown. Parameter: the target. */
export const HISTORY_SQL: string = `select ${HISTORY} from nearjoin.feed f where f.target = $1::text`;

/**
 * Asks how fresh a cache is: position and time of the newest watermark, `-` for null; then the source's clock in microseconds, and the
 * history. No row while there is no watermark. Parameter: the target.
 */
export const LABEL_SQL: string = `select coalesce(w.position::text, '-'), coalesce(w.fresh_as_of::text, '-'),
    (extract(epoch from clock_timestamp()) * 1000000)::bigint::text,
    (select ${HISTORY} from nearjoin.feed f where f.target = w.target)
  from nearjoin.watermark w where w.target = $1::text order by w.seq desc limit 1`;
