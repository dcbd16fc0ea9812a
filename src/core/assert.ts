/** Returns the value, or throws naming what was missing: for things that cannot be absent unless we have a bug. */
export function must<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`bug: missing ${what}`);
  return value;
}

/** The end of a switch over a closed union: a new arm makes this a type error. */
export function unreachable(value: never): never {
  throw new Error(`bug: unexpected ${JSON.stringify(value)}`);
}
