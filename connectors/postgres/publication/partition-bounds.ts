import {
  KEY_TYPES,
  type KeyColumn,
  type KeyPart,
  type KeyPlace,
  type KeyTest,
} from '../../../src/core/rows/key-part.ts';

/** How a table is divided. */
export interface Division {
  /** As in pg_partitioned_table. */
  readonly strategy: string | null;
  readonly columns: readonly PartitionColumn[];
}

/** How one table of a tree is divided, and the bound of one of its partitions. */
export interface PartitionLevel extends Division {
  /** As pg_get_expr prints it. */
  readonly bound: string | null;
  /** Those of all partitions of the table. */
  readonly beside: readonly (string | null)[];
}

/** A table that has partitions: where it lies itself, from the root on, how it is divided, and their bounds. */
export interface DividedTable {
  readonly path: readonly PartitionLevel[];
  readonly division: Division;
  readonly bounds: readonly (string | null)[];
}

/** A column of a partition key; one without a name is an expression. */
export interface PartitionColumn {
  readonly name: string | null;
  /** What its domain is over, where it has one. */
  readonly type: number | null;
  readonly domain: number | null;
  readonly isEnum: boolean | null;
  /** Values compare as is usual for their type, equal only when they are the same. */
  readonly isUsual: boolean;
}

const LITERAL = `(?:'(?:[^']|'')*'|-?[0-9.]+|true|false|NULL|MINVALUE|MAXVALUE)`;
const LITERALS = `${LITERAL}(?:, ${LITERAL})*`;
const RANGE = new RegExp(`^FOR VALUES FROM \\((${LITERALS})\\) TO \\((${LITERALS})\\)$`);
const LIST = new RegExp(`^FOR VALUES IN \\((${LITERALS})\\)$`);
const MODULUS = /^FOR VALUES WITH \(modulus (\d+), remainder \d+\)$/;
/** Their order is a collation's, which differs between servers. */
const TEXTS = new Set([25, 1042, 1043]);

/**
 * Keys that rows of a partition can have, at least: what a bound says that is not told here makes the part larger than the
 * partition. Null when nothing is known of them, as for a partition of a hash.
 */
export function partOf(levels: readonly PartitionLevel[]): KeyPart | null {
  const part = testsOf(levels);
  return part.length === 0 ? null : part;
}

/**
 * Keys, at least, that no partition claims by its bound: those of default partitions, and those of none. Null when that may
 * be any key.
 */
export function unclaimed(tables: readonly DividedTable[]): readonly KeyPart[] | null {
  // What is in a default partition is unclaimed already.
  const claimed = tables.filter(({ path }) => path.every(({ bound }) => bound !== 'DEFAULT'));
  const parts = claimed.flatMap(({ path, division, bounds }) => {
    const rest = restOf({ ...division, beside: bounds });
    return rest === null ? [] : [{ path, rest }];
  });
  const areKnown = parts.every(({ rest }) => rest.length > 0);
  return areKnown ? parts.map(({ path, rest }) => [...testsOf(path), ...rest]) : null;
}

function testsOf(levels: readonly PartitionLevel[]): KeyPart {
  return levels.flatMap((level) => (level.bound === 'DEFAULT' ? restOf(level) : testOf(level)) ?? []);
}

function testOf({ strategy, columns, bound }: Omit<PartitionLevel, 'beside'>): KeyTest | null {
  if (strategy === 'l') return listed(columnsOf(columns), bound ?? '');
  return strategy === 'r' ? ranged(orderedOf(columns), bound ?? '') : null;
}

/** The first columns of a key whose values mean the same everywhere. */
function columnsOf(columns: Division['columns']): readonly KeyColumn[] {
  const known: KeyColumn[] = [];
  for (const { name, type, domain, isEnum, isUsual } of columns) {
    if (name === null || type === null || !isUsual || (isEnum !== true && !KEY_TYPES.has(type))) break;
    known.push({ name, type, ...(domain === null ? {} : { domain }), isEnum: isEnum === true });
  }
  return known;
}

/** Those of them whose order is the same everywhere. */
function orderedOf(columns: Division['columns']): readonly KeyColumn[] {
  const known = columnsOf(columns);
  const end = known.findIndex(({ type, isEnum }) => isEnum || TEXTS.has(type));
  return end < 0 ? known : known.slice(0, end);
}

function listed(columns: readonly KeyColumn[], bound: string): KeyTest | null {
  const list = LIST.exec(bound)?.[1];
  // In a key there is no null.
  const values = literalsIn(list ?? '').filter((literal) => literal !== 'NULL');
  if (columns.length === 0 || values.length === 0) return null;
  return { kind: 'one-of', columns, values: values.map(unquoted), isNot: false };
}

type Range = KeyTest & { readonly kind: 'between' };

function ranged(columns: readonly KeyColumn[], bound: string): Range | null {
  const [, lower, upper] = RANGE.exec(bound) ?? [];
  if (lower === undefined || upper === undefined) return null;
  const from = placeOf(lower, columns.length, false);
  const to = placeOf(upper, columns.length, true);
  return from === null && to === null ? null : { kind: 'between', columns, from, to, isNot: false };
}

/** One end of a range, or where it may be at most when only the first columns are known; null where it has no end. */
function placeOf(literals: string, known: number, isEnd: boolean): KeyPlace | null {
  const all = literalsIn(literals);
  const open = all.findIndex((literal) => literal === 'MINVALUE' || literal === 'MAXVALUE');
  const length = open < 0 ? all.length : open;
  const values = all.slice(0, Math.min(length, known)).map(unquoted);
  if (values.length === 0) return null;
  return { values, isAfter: length > known ? isEnd : all[open] === 'MAXVALUE' };
}

/**
 * Keys, at least, that no partition of a table can have by its bound; no test where bounds are not known to the last column, and
 * null when every key has its partition.
 */
function restOf({ strategy, columns, beside }: Omit<PartitionLevel, 'bound'>): KeyPart | null {
  if (strategy === 'h') return isWhole(beside) ? null : [];
  const known = strategy === 'r' ? orderedOf(columns) : columnsOf(columns);
  if (known.length < columns.length) return [];
  const tests = beside.flatMap((bound) => testOf({ strategy, columns, bound }) ?? []);
  const values = tests.flatMap((test) => (test.kind === 'one-of' ? test.values : []));
  if (values.length > 0) return [{ kind: 'one-of', columns: known, values, isNot: true }];
  const ranges = joined(tests.flatMap((test) => (test.kind === 'between' ? [test] : [])));
  if (ranges.some(({ from, to }) => from === null && to === null)) return null;
  return ranges.map((range) => ({ ...range, isNot: true }));
}

/** Whether partitions of a hash are all there can be. Of two moduli one is a multiple of the other. */
function isWhole(bounds: readonly (string | null)[]): boolean {
  const moduli = bounds.map((bound) => Number(MODULUS.exec(bound ?? '')?.[1]));
  const most = Math.max(...moduli);
  return moduli.reduce((sum, modulus) => sum + most / modulus, 0) === most;
}

/** The same ranges, as few as can be seen without comparing values: mostly one begins where another ends. */
function joined(ranges: readonly Range[]): readonly Range[] {
  const byStart = new Map(ranges.map((range) => [JSON.stringify(range.from), range]));
  const ends = new Set(ranges.flatMap(({ to }) => (to === null ? [] : [JSON.stringify(to)])));
  const firsts = ranges.filter(({ from }) => from === null || !ends.has(JSON.stringify(from)));
  return firsts.map((first) => {
    let { to } = first;
    for (let next = byStart.get(JSON.stringify(to)); to !== null && next !== undefined; ) {
      to = next.to;
      next = byStart.get(JSON.stringify(to));
    }
    return { ...first, to };
  });
}

function literalsIn(literals: string): readonly string[] {
  return literals.match(new RegExp(LITERAL, 'g')) ?? [];
}

function unquoted(literal: string): string {
  return literal.startsWith("'") ? literal.slice(1, -1).replaceAll("''", "'") : literal;
}
