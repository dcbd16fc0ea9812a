const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
/** Numbers from 0.1 to below ten to this power are written out. */
const WRITTEN_OUT = 7;
/** More digits than anybody reads. */
const MOST_DIGITS = 40;
/** An int8 has nineteen. */
const MOST_WHOLE_DIGITS = 20;
const ANY_BUT_ZERO = /[1-9]/;

/** A JSON number as Hasura's messages write it: `12.0`, `0.5`, `2.147483648e9`. */
export function scientific(text: string): string {
  const parts = partsOf(text);
  if (parts === null) return text;
  const { sign, written, exponent } = parts;
  // Cut first: of zeros that are not at the end, the search would begin anew at each.
  const digits = written.slice(0, MOST_DIGITS).replace(/0+$/, '');
  return sign + (digits === '' ? '0.0' : writtenAs(digits, exponent + written.length));
}

/** A JSON number as a whole one, to the digit; null where it has a fraction, or more digits than any of Postgres' integers. */
export function wholeNumberIn(text: string): bigint | null {
  const parts = partsOf(text);
  if (parts === null) return null;
  const { sign, written, exponent } = parts;
  if (written === '') return 0n;
  const whole = written.length + exponent;
  if (whole > MOST_WHOLE_DIGITS || ANY_BUT_ZERO.test(written.slice(Math.max(0, whole)))) return null;
  return BigInt(sign + written.slice(0, whole).padEnd(whole, '0'));
}

/** The number `written` times ten to the power of `exponent`; zero is written with no digit. */
function partsOf(text: string): { sign: string; written: string; exponent: number } | null {
  const match = NUMBER.exec(text);
  if (match === null) return null;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const written = (whole + fraction).replace(/^0+/, '');
  return { sign, written, exponent: Number(exponent) - fraction.length };
}

/** The number 0.digits times ten to the power. */
function writtenAs(digits: string, power: number): string {
  if (power < 0 || power > WRITTEN_OUT) return `${digits[0]}.${digits.slice(1) || '0'}e${power - 1}`;
  const whole = digits.slice(0, power).padEnd(power, '0');
  return `${whole || '0'}.${digits.slice(power) || '0'}`;
}
