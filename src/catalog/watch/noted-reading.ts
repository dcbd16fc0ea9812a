import { createHash } from 'node:crypto';
import { messageOf } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Introspection } from '../introspection.ts';

/** What was noted last under a key, and how long ago. */
export interface Note {
  readonly reading: string;
  readonly ageMs: number;
}

/** Where readings outlive the process; both fail when it is out of reach. */
export interface ReadingNotes {
  recall(key: string): Promise<Note | null>;
  note(key: string, reading: string): Promise<void>;
}

/** Notes and recalls readings. If that fails, a node only knows the databases that answer it; with an aborted signal it ends the work, and is no news. */
export class NotedReadings {
  readonly #notes: ReadingNotes;
  readonly #log: Pick<Log, 'warn'>;

  constructor(notes: ReadingNotes, log: Pick<Log, 'warn'>) {
    this.#notes = notes;
    this.#log = log;
  }

  /** What a database last said of itself, to any node. */
  async recall(
    url: string,
    signal: AbortSignal,
  ): Promise<{ readonly reading: Introspection; readonly ageMs: number } | null> {
    const noted = (await this.#tried(() => this.#notes.recall(readingKey(url)), signal)) ?? null;
    const reading = noted === null ? null : parseReading(noted.reading);
    return noted === null || reading === null ? null : { reading, ageMs: noted.ageMs };
  }

  async note(url: string, reading: Introspection, signal: AbortSignal): Promise<void> {
    await this.#tried(() => this.#notes.note(readingKey(url), printReading(reading)), signal);
  }

  async #tried<Result>(use: () => Promise<Result>, signal: AbortSignal): Promise<Result | undefined> {
    try {
      return await use();
    } catch (error) {
      // Who stops closes what keeps them.
      signal.throwIfAborted();
      this.#log.warn({ reason: messageOf(error) }, 'readings of databases cannot be noted or recalled');
      return undefined;
    }
  }
}

/** Raised when `Introspection` changes: notes of another format are ignored. */
const FORMAT = 8;

/** The key of a database's readings: equal for everybody who connects as this user, and tells neither address nor secret. */
export function readingKey(url: string): string {
  const address = new URL(url);
  address.password = '';
  for (const name of ['password', 'sslkey', 'sslpassword']) address.searchParams.delete(name);
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
