import { type KeyPart, type KeyRange, RANGE_TYPES } from '../../src/core/key-range.ts';

/** How one table of a tree is divided, and the bound of one of its partitions. */
export interface PartitionLevel {
  /** As in pg_partitioned_table. */
  readonly strategy: string | null;
  /** The first column of the partition key; null for an expression. */
  readonly column: string | null;
  readonly type: number | null;
  /** Of how many columns the key is. */
  readonly width: number | null;
  /** Values compare as is usual for their type, equal only when they are the same. */
  readonly isUsual: boolean;
  /** As pg_get_expr prints it. */
  readonly bound: string | null;
}

const LITERAL = `(?:'(?:[^']|'')*'|-?[0-9.]+|MINVALUE|MAXVALUE)`;
const LITERALS = `${LITERAL}(?:, ${LITERAL})*`;
const RANGE = new RegExp(`^FOR VALUES FROM \\((${LITERALS})\\) TO \\((${LITERALS})\\)$`);
const LIST = new RegExp(`^FOR VALUES IN \\((${LITERALS})\\)$`);
/** Their order is a collation's, which differs between servers. */
const TEXTS = new Set([25, 1043]);

/**
 * Keys that rows of a partition can have, at least: what a bound says that is not told here makes the part larger than the
 * partition. Null when nothing is known of them, as for a hash or a default partition.
 */
export function partOf(levels: readonly PartitionLevel[]): KeyPart | null {
  const part = levels.flatMap((level) => rangeOf(level) ?? []);
  return part.length === 0 ? null : part;
}

function rangeOf({ strategy, column, type, width, isUsual, bound }: PartitionLevel): KeyRange | null {
  if (column === null || type === null || !isUsual || !RANGE_TYPES.has(type)) return null;
  const all = { column, type, from: null, to: null, isToIncluded: false, values: null };
  if (strategy === 'l') return listed(all, bound ?? '');
  return strategy === 'r' && !TEXTS.has(type) ? ranged(all, bound ?? '', width !== 1) : null;
}

function listed(all: KeyRange, bound: string): KeyRange | null {
  const list = LIST.exec(bound)?.[1];
  return list === undefined ? null : { ...all, values: literalsIn(list) };
}

function ranged(all: KeyRange, bound: string, isToIncluded: boolean): KeyRange | null {
  const [, lower, upper] = RANGE.exec(bound) ?? [];
  if (lower === undefined || upper === undefined) return null;
  const [from, to] = [endOf(lower), endOf(upper)];
  return from === null && to === null ? null : { ...all, from, to, isToIncluded };
}

/** The first value of one end of a range; null where it has no end. */
function endOf(literals: string): string | null {
  const first = new RegExp(LITERAL).exec(literals)?.[0] ?? 'MINVALUE';
  return first === 'MINVALUE' || first === 'MAXVALUE' ? null : unquoted(first);
}

function literalsIn(literals: string): readonly string[] {
  return (literals.match(new RegExp(LITERAL, 'g')) ?? []).map(unquoted);
}

function unquoted(literal: string): string {
  return literal.startsWith("'") ? literal.slice(1, -1).replaceAll("''", "'") : literal;
}
