const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
/** Below it numbers are written out, and from a tenth on. */
const WRITTEN_OUT = 7;
/** More digits than anybody reads. */
const MOST_DIGITS = 40;

/** A JSON number as Hasura's messages write it: `12.0`, `0.5`, `2.147483648e9`. */
export function scientific(text: string): string {
  const match = NUMBER.exec(text);
  if (match === null) return text;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const written = (whole + fraction).replace(/^0+/, '');
  const digits = written.replace(/0+$/, '').slice(0, MOST_DIGITS);
  return (
    sign + (digits === '' ? '0.0' : writtenAs(digits, Number(exponent) + written.length - fraction.length))
  );
}

/** The number 0.digits times ten to the power. */
function writtenAs(digits: string, power: number): string {
  if (power < 0 || power > WRITTEN_OUT) return `${digits[0]}.${digits.slice(1) || '0'}e${power - 1}`;
  const whole = digits.slice(0, power).padEnd(power, '0');
  return `${whole || '0'}.${digits.slice(power) || '0'}`;
}
