/**
 * Settings of every session we open, on sources and targets alike. Values travel between servers as text: one that is
 * printed under other settings than it is read under may come out as another value. A month-first date style reads
 * what clients send the same way everywhere, and `money` is printed as in the C locale.
 */
export const TEXT_FORM: readonly (readonly [name: string, value: string])[] = [
  ['TimeZone', 'UTC'],
  ['DateStyle', 'ISO, MDY'],
  ['IntervalStyle', 'postgres'],
  ['extra_float_digits', '3'],
  ['bytea_output', 'hex'],
  ['lc_monetary', 'C'],
];
