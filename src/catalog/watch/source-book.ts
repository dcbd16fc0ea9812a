import { messageOf } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { SourceName } from '../../core/names.ts';
import { systemClock } from '../../core/waiting/clock.ts';
import { sourceUrl } from '../../metadata/connection-url.ts';
import type { Metadata, SourceMetadata } from '../../metadata/model.ts';
import { type Asked, answersAll, askedOf } from '../introspect/asked.ts';
import { fingerprintOf, introspect } from '../introspect.ts';
import { type Found, type Introspection, isAvailable, type Unavailable } from '../introspection.ts';
import { NotedReadings, type ReadingNotes } from './noted-reading.ts';
import { type Entry, fits, latest, newer, SourceReadings } from './source-readings.ts';

/** How often databases are asked whether they changed, and how long they may take to answer. */
export interface Intervals {
  /** Between two cheap looks at an available database. */
  readonly fingerprintMs: number;
  /** Between two full readings. */
  readonly fullMs: number;
  /** The first pause before an unavailable database is tried again; doubled up to `longestRetryMs`. */
  readonly retryMs: number;
  readonly longestRetryMs: number;
  readonly timeoutMs: number;
}

/** Intervals for production. */
export const DEFAULT_INTERVALS: Intervals = {
  fingerprintMs: 5_000,
  fullMs: 60_000,
  retryMs: 1_000,
  longestRetryMs: 15_000,
  timeoutMs: 15_000,
};

/** A source as the metadata describes it now. */
interface Described {
  readonly url: string | null;
  readonly problem: string | null;
  readonly asked: Asked;
}

type Dated = Pick<Entry, 'url' | 'asked' | 'begunAt' | 'failures'>;

/**
 * Which databases `consult` reads. `unknown`: those that this node has not read yet. `noted`: of these only the ones that no other node
 * has just read and noted. `changed`: also those that say that they have changed. `answering`: every one that has answered the last look.
 * `all`: every one. Of a known database that does not answer only this waits for an answer: looks tell when it is back.
 */
export type ToRead = 'unknown' | 'noted' | 'changed' | 'answering' | 'all';

/** What a book needs from outside. */
export interface BookOptions {
  readonly notes: ReadingNotes;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly intervals?: Partial<Intervals>;
  /** Another book watches the same databases and tells which have changed, so this one only does its full readings by itself. */
  readonly isTold?: boolean;
}

/** The last introspection of every source; unchanged ones are the same object again. */
export class SourceBook {
  readonly #options: BookOptions;
  readonly #intervals: Intervals;
  readonly #notes: NotedReadings;
  #entries: ReadonlyMap<SourceName, Entry> = new Map();
  /** What was read to try new metadata: it is needed again when the metadata is stored, a moment later. */
  #tried: ReadonlyMap<SourceName, Entry> = new Map();

  constructor(options: BookOptions) {
    this.#options = options;
    this.#intervals = { ...DEFAULT_INTERVALS, ...options.intervals };
    this.#notes = new NotedReadings(options.notes, options.log);
  }

  /** What the databases of this metadata say of themselves. */
  async consult(metadata: Metadata, toRead: ToRead, signal: AbortSignal): Promise<SourceReadings> {
    const before = this.#entries;
    const entries = await Promise.all(
      metadata.sources.map(async (source): Promise<[SourceName, Entry]> => {
        return [source.name, await this.#consulted(source, toRead, signal)];
      }),
    );
    this.#tried = new Map(entries.filter(([name, entry]) => entry !== before.get(name)));
    return new SourceReadings(new Map(entries));
  }

  async #consulted(source: SourceMetadata, toRead: ToRead, signal: AbortSignal): Promise<Entry> {
    const described = this.#describe(source);
    const known = this.#entries.get(source.name);
    if (toRead === 'all') return this.#read(described, known, signal);
    const tried = this.#triedSince(known, source.name, described);
    if (tried !== null) return tried;
    if (!fits(known, described)) {
      const noted = toRead === 'noted' ? await this.#justNoted(described, signal) : null;
      return noted ?? (await this.#read(described, known, signal));
    }
    const isKept = await this.#isKept(known, toRead, signal);
    return isKept ? known : this.#read(described, known, signal);
  }

  async #isKept(known: Entry, toRead: Exclude<ToRead, 'all'>, signal: AbortSignal): Promise<boolean> {
    if (toRead === 'unknown' || toRead === 'noted' || known.isSilent) return true;
    return toRead === 'changed' && (await this.#isAsRead(known, signal));
  }

  /** What was read a moment ago to try this metadata, where nothing that fits is known since. */
  #triedSince(known: Entry | undefined, name: SourceName, described: Described): Entry | null {
    const tried = this.#tried.get(name);
    if (!fits(tried, described) || !this.#isFresh(tried)) return null;
    return fits(known, described) && known.begunAt >= tried.begunAt ? null : tried;
  }

  /** Takes these readings as what is known from now on, but for what was read later and is known already. */
  keep(readings: SourceReadings): SourceReadings {
    const entries = [...readings.entries].map(
      ([name, entry]) => [name, latest(entry, this.#entries.get(name))] as const,
    );
    this.#entries = new Map(entries);
    return new SourceReadings(this.#entries);
  }

  /** The databases that are to be looked at again. */
  due(): readonly SourceName[] {
    const now = systemClock.monotonicMs();
    return [...this.#entries].filter(([, { dueAt }]) => dueAt <= now).map(([name]) => name);
  }

  /** Asks one database whether it has changed; null when it is none any more. */
  async look(name: SourceName, signal: AbortSignal): Promise<SourceReadings | null> {
    const before = this.#entries.get(name);
    if (before === undefined) return null;
    const looked = await this.#renewed(before, signal);
    const entry = this.#entries.get(name);
    return entry === undefined
      ? null
      : new SourceReadings(new Map(this.#entries).set(name, latest(entry, looked)));
  }

  /** Whether the database was looked at so lately that it need not be looked at again. */
  #isFresh(entry: Entry): boolean {
    return isAvailable(entry.found) && this.#ageMs(entry) < this.#intervals.fingerprintMs;
  }

  #ageMs({ lookedAt }: Entry): number {
    return systemClock.monotonicMs() - lookedAt;
  }

  /** Whether a database says nothing else of itself than when it was read; the rows of enum tables are not in that. */
  async #isAsRead(entry: Entry, signal: AbortSignal): Promise<boolean> {
    const { url, found, asked } = entry;
    if (url === null || !isAvailable(found) || asked.enumTables.length > 0) return false;
    const fingerprint = await this.#fingerprint(url, asked, signal).catch(() => found.fingerprint);
    return fingerprint === found.fingerprint;
  }

  #fingerprint(url: string, { functions }: Asked, signal: AbortSignal): Promise<string> {
    return fingerprintOf(url, { functions, timeoutMs: this.#intervals.timeoutMs, signal });
  }

  async #renewed(entry: Entry, signal: AbortSignal): Promise<Entry> {
    if (entry.url === null) return this.#dated(entry, entry.found);
    const isFullTime = systemClock.monotonicMs() - entry.readAt >= this.#intervals.fullMs;
    if (!isFullTime && isAvailable(entry.found)) {
      const { readAt } = entry;
      try {
        const fingerprint = await this.#fingerprint(entry.url, entry.asked, signal);
        if (fingerprint === entry.found.fingerprint) return { ...this.#dated(entry, entry.found), readAt };
      } catch {
        // Down for now: what was known is kept for cached reads, as nobody can tell yet whether it has changed.
        const looked = this.#dated(entry, entry.found);
        const dueAt = looked.lookedAt + this.#intervals.fingerprintMs;
        return { ...looked, readAt, dueAt, isSilent: true };
      }
    }
    return this.#read({ url: entry.url, problem: null, asked: entry.asked }, entry, signal);
  }

  async #read(described: Described, entry: Entry | undefined, signal: AbortSignal): Promise<Entry> {
    const { url, asked } = described;
    const begunAt = systemClock.monotonicMs();
    const found = await this.#ask(described, signal);
    const old = entry?.url === url ? entry : undefined;
    const base = { url, asked, begunAt, failures: entry?.failures ?? 0 };
    if (!isAvailable(found)) return this.#unread(base, old, found, signal);
    const kept = newer(old?.found, found);
    if (kept !== old?.found && url !== null) await this.#notes.note(url, found, signal);
    return this.#dated(base, kept);
  }

  async #unread(
    base: Dated,
    old: Entry | undefined,
    found: Unavailable,
    signal: AbortSignal,
  ): Promise<Entry> {
    const kept = newer(old?.found ?? (await this.#recalled(base, found, signal)), found);
    const begunAt = old?.begunAt ?? Number.NEGATIVE_INFINITY;
    return { ...this.#dated({ ...base, begunAt }, kept), isSilent: true };
  }

  /** What a database said last, for a node that has just started and gets no answer from it. */
  async #recalled(
    { url }: Dated,
    found: Unavailable,
    signal: AbortSignal,
  ): Promise<Introspection | undefined> {
    if (url === null) return undefined;
    const recalled = await this.#notes.recall(url, signal);
    if (recalled === null) return undefined;
    const { database } = recalled.reading.server;
    this.#options.log.warn(
      { database, reason: found.unavailable },
      'going by the last reading of a database',
    );
    return recalled.reading;
  }

  /** What another node has read a moment ago for the same metadata: as good as a reading of this node. */
  async #justNoted({ url, asked }: Described, signal: AbortSignal): Promise<Entry | null> {
    const recalled = url === null ? null : await this.#notes.recall(url, signal);
    if (recalled === null) return null;
    const { reading, ageMs } = recalled;
    if (!answersAll(reading, asked) || ageMs < 0 || ageMs >= this.#intervals.fingerprintMs) return null;
    const at = systemClock.monotonicMs() - ageMs;
    const { dueAt, ...entry } = this.#dated({ url, asked, begunAt: at, failures: 0 }, reading);
    return { ...entry, readAt: at, lookedAt: at, dueAt: dueAt - ageMs };
  }

  async #ask(described: Described, signal: AbortSignal): Promise<Found> {
    if (described.url === null) return { unavailable: described.problem ?? 'no connection' };
    const { timeoutMs } = this.#intervals;
    try {
      return await introspect(described.url, { ...described.asked, timeoutMs, signal });
    } catch (error) {
      // Whoever stops has learned nothing of the database.
      signal.throwIfAborted();
      return { unavailable: messageOf(error) };
    }
  }

  #dated(entry: Dated, found: Found): Entry {
    const { fingerprintMs, fullMs, retryMs, longestRetryMs } = this.#intervals;
    const now = systemClock.monotonicMs();
    const failures = isAvailable(found) ? 0 : entry.failures + 1;
    const restMs = this.#options.isTold === true ? fullMs : fingerprintMs;
    const pause =
      failures === 0 ? restMs : Math.min(longestRetryMs, retryMs * 2 ** Math.min(failures - 1, 10));
    return { ...entry, found, failures, readAt: now, lookedAt: now, dueAt: now + pause, isSilent: false };
  }

  #describe(source: SourceMetadata): Described {
    const asked = askedOf(source);
    try {
      const url = sourceUrl(source.configuration.connection_info, this.#options.env);
      return { url, problem: null, asked };
    } catch (error) {
      return { url: null, problem: messageOf(error), asked };
    }
  }
}
