import type { Comparison, Connector, WantedRows } from '../../../connectors/connector.ts';
import { inCache } from '../../cache/names.ts';
import { type Queryable, rowsOf } from '../../cache/queryable.ts';
import type { Generation } from '../../cache/table/stored.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import { quoteIdentifier } from '../../core/postgres/quote-identifier.ts';
import { ComparedRows } from '../../core/rows/compared-rows.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import type { Exclusively } from '../exclusively.ts';

/** What a comparison needs of the streaming feed. */
export interface VerifyScene {
  readonly connector: Connector;
  readonly exclusively: Exclusively;
  readonly clock: Clock;
  /** Resolves when the cache holds everything up to the position, or the signal aborts. */
  readonly applied: (position: Lsn, signal: AbortSignal) => Promise<void>;
}

/** One table as it is on the target and in the cache, each at the moment of every statement. */
export interface Sides {
  readonly stored: Generation;
  readonly target: ComparedRows;
  readonly cache: ComparedRows;
}

/** A table under comparison. */
export interface Compared {
  readonly scene: VerifyScene;
  readonly sides: Sides;
}

/** Opens both sides of a table. */
export async function openSides(
  stored: Generation,
  comparison: Comparison,
  client: Queryable,
): Promise<Sides> {
  return {
    stored,
    target: await comparison.rows(wantedRows(stored)),
    cache: cachedRows(stored, client),
  };
}

/** The table as a target is asked for it. */
export function wantedRows({ table, columns, key }: Generation): WantedRows {
  return { table, columns: columns.map(({ name, type }) => ({ name, isBytes: type === 'bytea' })), key };
}

/** The table's copy, read through the client. */
export function cachedRows({ relation, columns, key }: Generation, client: Queryable): ComparedRows {
  const typeOf = (name: string): string => columns.find((column) => column.name === name)?.type ?? 'text';
  return new ComparedRows(
    {
      relation: inCache(relation),
      columns: columns.map(({ name, type }) => ({ name: quoteIdentifier(name), isBytes: type === 'bytea' })),
      key: key.map((name) => ({ name: quoteIdentifier(name), type: typeOf(name) })),
    },
    (text, values) => rowsOf<Record<string, unknown>>(client, text, values),
  );
}

/** Waits until the cache holds everything that was visible on the target when this was called. */
export async function untilCaughtUp(scene: VerifyScene, signal: AbortSignal): Promise<void> {
  await scene.applied(await scene.connector.position(), signal);
  signal.throwIfAborted();
}

/**
 * Types whose order is the same on every server: numbers, times, uuid, bytes, network addresses. Texts are not among them,
 * since collations differ between servers, and neither is anything that the cache may hold as text.
 */
const SAME_ORDER: ReadonlySet<number> = new Set([
  16, 17, 18, 20, 21, 23, 26, 650, 700, 701, 774, 790, 829, 869, 1082, 1083, 1114, 1184, 1186, 1266, 1560,
  1562, 1700, 2950, 3220,
]);

/** Whether a range of keys means the same rows on both sides. */
export function isSameOrder({ columns, key }: Pick<Generation, 'columns' | 'key'>): boolean {
  return key.every((name) => columns.some((column) => column.name === name && SAME_ORDER.has(column.oid)));
}
