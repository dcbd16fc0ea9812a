import type { SourceName } from '../../core/names.ts';
import { type Asked, askedText, covers } from '../introspect/asked.ts';
import { type Found, type Introspections, isAvailable } from '../introspection.ts';

/** What is known of one database, and when to ask it again. */
export interface Entry {
  readonly url: string | null;
  readonly asked: Asked;
  readonly found: Found;
  readonly readAt: number;
  /** When the reading began that it is known by. */
  readonly begunAt: number;
  readonly lookedAt: number;
  readonly dueAt: number;
  readonly failures: number;
  /** The last look got no answer. */
  readonly isSilent: boolean;
}

/** One consistent set of answers. */
export class SourceReadings {
  readonly entries: ReadonlyMap<SourceName, Entry>;

  constructor(entries: ReadonlyMap<SourceName, Entry>) {
    this.entries = entries;
  }

  introspections(): Introspections {
    return new Map([...this.entries].map(([name, entry]) => [name, entry.found]));
  }

  urls(): ReadonlyMap<SourceName, string> {
    return new Map(
      [...this.entries].flatMap(([name, { url }]) => (url === null ? [] : [[name, url] as const])),
    );
  }

  /** The databases that are in both and do not say the same. */
  differingFrom(other: SourceReadings): readonly SourceName[] {
    return [...this.entries].flatMap(([name, { found }]) => {
      const there = other.entries.get(name);
      return there === undefined || there.found === found ? [] : [name];
    });
  }

  /** Whether both would resolve to the same catalog, given the same metadata. */
  sameAs(other: SourceReadings): boolean {
    if (this.entries.size !== other.entries.size) return false;
    return [...this.entries].every(([name, entry]) => {
      const there = other.entries.get(name);
      return there !== undefined && there.found === entry.found && there.url === entry.url;
    });
  }
}

/** Whether an entry is of this database, and answers all that is asked of it. Without an address it is of none. */
export function fits(entry: Entry | undefined, { url, asked }: Pick<Entry, 'url' | 'asked'>): entry is Entry {
  return entry !== undefined && url !== null && entry.url === url && covers(entry.asked, asked);
}

/** The entry, or the other one if that fits as well and was read later, or is of the same reading and was looked at later. */
export function latest(entry: Entry, other: Entry | undefined): Entry {
  if (!fits(other, entry)) return entry;
  const laterMs =
    other.begunAt === entry.begunAt ? other.lookedAt - entry.lookedAt : other.begunAt - entry.begunAt;
  return laterMs > 0 ? other : entry;
}

/** The old reading when the new one says the same or failed, else the new one: the same object always means "unchanged". */
export function newer(old: Found | undefined, found: Found): Found {
  if (old === undefined) return found;
  if (!isAvailable(found)) return isAvailable(old) || old.unavailable === found.unavailable ? old : found;
  if (!isAvailable(old) || old.fingerprint !== found.fingerprint) return found;
  return askedText(old) === askedText(found) ? old : found;
}
