import { createHash } from 'node:crypto';
import type { Introspection } from './introspection.ts';

/** Where readings outlive the process; both fail when it is out of reach. */
export interface ReadingNotes {
  recall(key: string): Promise<string | null>;
  note(key: string, reading: string): Promise<void>;
}

/** Counted up when `Introspection` changes: what another version noted is not understood. */
const FORMAT = 3;

/** The key of a database's readings: the same for everybody who connects as this user, and neither address nor secret. */
export function readingKey(url: string): string {
  const address = new URL(url);
  address.password = '';
  address.searchParams.delete('password');
  return createHash('sha256').update(address.href).digest('hex');
}

/** A reading as JSON, maps and sets as lists of their members. */
export function printReading(reading: Introspection): string {
  return JSON.stringify({ format: FORMAT, reading }, (_key, value: unknown) => {
    if (value instanceof Map) return { map: [...value] };
    return value instanceof Set ? { set: [...value] } : value;
  });
}

/** Reads what `printReading` wrote; null when another version did. */
export function parseReading(text: string): Introspection | null {
  const { format, reading } = JSON.parse(text, (_key, value: unknown) => {
    if (isOnly('map', value)) return new Map(value.map as [unknown, unknown][]);
    return isOnly('set', value) ? new Set(value.set) : value;
  }) as { format: number; reading: Introspection };
  return format === FORMAT ? reading : null;
}

function isOnly<Name extends string>(name: Name, value: unknown): value is Record<Name, unknown[]> {
  if (typeof value !== 'object' || value === null) return false;
  const [[key, member] = [], ...others] = Object.entries(value);
  return key === name && others.length === 0 && Array.isArray(member);
}
