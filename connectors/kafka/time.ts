const DAY_US = 86_400_000_000n;
const SECOND_US = 1_000_000n;

/** What Debezium's driver makes of infinity, in milliseconds and microseconds. Postgres has no timestamps that far away. */
const INFINITE: ReadonlyMap<string, string> = new Map([
  ['9223372036825200000', 'infinity'],
  ['-9223372036832400000', '-infinity'],
  ['9223372036825200', 'infinity'],
  ['-9223372036832400', '-infinity'],
]);

/** Infinity as days since 1970: in Postgres it is the largest number of days since 2000, so the sum overflows. */
const INFINITE_DAYS: ReadonlyMap<string, string> = new Map([
  ['-2147472692', 'infinity'],
  ['-2147472691', '-infinity'],
]);

/** Postgres has no dates before this one. */
const FIRST_DAY = -2_440_588;

const INTEGER = /^-?\d+$/;
const ZONED = /^([+-]?\d{4,})-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d(?:\.\d{1,9})?)Z$/;

/** A date from days since 1970, as Postgres prints it; null when it is none. */
export function dateOfDays(days: string): string | null {
  const infinite = INFINITE_DAYS.get(days);
  if (infinite !== undefined) return infinite;
  if (!INTEGER.test(days) || Number(days) < FIRST_DAY) return null;
  const { text, isBeforeChrist } = dateText(Number(days));
  return isBeforeChrist ? `${text} BC` : text;
}

/** A timestamp without time zone from microseconds since 1970. */
export function timestampOfMicros(micros: string): string | null {
  const infinite = INFINITE.get(micros);
  if (infinite !== undefined) return infinite;
  if (!INTEGER.test(micros)) return null;
  const total = BigInt(micros);
  const inDay = ((total % DAY_US) + DAY_US) % DAY_US;
  const days = Number((total - inDay) / DAY_US);
  if (days < FIRST_DAY) return null;
  const { text, isBeforeChrist } = dateText(days);
  return `${text} ${timeText(inDay)}${isBeforeChrist ? ' BC' : ''}`;
}

/** A timestamp without time zone from milliseconds since 1970. */
export function timestampOfMillis(millis: string): string | null {
  return INFINITE.get(millis) ?? timestampOfMicros(`${millis}000`);
}

/** Whether this many microseconds may be milliseconds (from the year 1653 to 2286) or nanoseconds (after 1978). */
export function isDoubtfulTimestamp(micros: string): boolean {
  const [, digits = ''] = /^-?(\d+)$/.exec(micros) ?? [];
  if (INFINITE.has(micros) || digits === '0') return false;
  return digits.length < 14 || BigInt(digits) > 260_000_000_000_000_000n;
}

/** Whether this many microseconds may be milliseconds: most are more than a day has of these. */
export function isDoubtfulTime(micros: string): boolean {
  return micros !== '0' && Number(micros) <= Number(DAY_US / 1_000n);
}

/** A time of day from microseconds; 24:00:00 is one. */
export function timeOfMicros(micros: string): string | null {
  if (!INTEGER.test(micros)) return null;
  const total = BigInt(micros);
  return total < 0n || total > DAY_US ? null : timeText(total);
}

/** A timestamp with time zone from ISO 8601 in UTC. */
export function zonedTimestamp(iso: string): string | null {
  if (iso === 'infinity' || iso === '-infinity') return iso;
  const [, year, month, day, time] = ZONED.exec(iso) ?? [];
  if (year === undefined || time === undefined) return null;
  const count = Number(year);
  const shown = String(count > 0 ? count : 1 - count).padStart(4, '0');
  return `${shown}-${month}-${day} ${trimmed(time)}+00${count > 0 ? '' : ' BC'}`;
}

function timeText(micros: bigint): string {
  const seconds = micros / SECOND_US;
  const [hour, minute, second] = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n];
  const clock = [hour, minute, second].map((part) => String(part).padStart(2, '0')).join(':');
  return trimmed(`${clock}.${String(micros % SECOND_US).padStart(6, '0')}`);
}

/** Without zeros at the end of its fraction, or the whole fraction if it is zero. */
function trimmed(time: string): string {
  return time.includes('.') ? time.replace(/\.?0+$/, '') : time;
}

/** The day in the Gregorian calendar, also before there was one, as Postgres does. */
function dateText(daysSince1970: number): { readonly text: string; readonly isBeforeChrist: boolean } {
  // Years that begin in March put the leap day at their end; 400 of them are 146,097 days.
  const days = daysSince1970 + 719_468;
  const era = Math.floor(days / 146_097);
  const dayOfEra = days - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1;
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const shown = String(year > 0 ? year : 1 - year).padStart(4, '0');
  const two = (part: number): string => String(part).padStart(2, '0');
  return { text: `${shown}-${two(month)}-${two(day)}`, isBeforeChrist: year <= 0 };
}
