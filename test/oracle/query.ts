import fc from 'fast-check';
import { type Kind, keyOf, MODEL, TABLES, type TableName } from './model.ts';

/** A query free of syntax: printed once as GraphQL and once as plain SQL. */
export interface Selection {
  readonly table: TableName;
  readonly columns: readonly string[];
  readonly related: Readonly<Record<string, Selection>>;
  readonly where: Condition | null;
  readonly orderBy: readonly Ordering[];
  readonly limit: number | null;
  readonly offset: number | null;
}

export type Condition =
  | { readonly kind: 'compare'; readonly column: string; readonly operator: string; readonly value: unknown }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'related'; readonly relationship: string; readonly of: Condition | null };

export interface Ordering {
  readonly path: readonly string[];
  readonly column: string;
  readonly direction: (typeof DIRECTIONS)[number];
}

export const DIRECTIONS = [
  'asc',
  'desc',
  'asc_nulls_first',
  'asc_nulls_last',
  'desc_nulls_first',
  'desc_nulls_last',
] as const;

const VALUES: Readonly<Record<Kind, fc.Arbitrary<unknown>>> = {
  int: fc.integer({ min: -2, max: 12 }),
  text: fc.constantFrom('a', 'b', 'ab', 'Ä', '', "o'x", '%', 'new\nline', '"q"', 'open'),
  numeric: fc.constantFrom('0', '1.10', '-3.5', '99999999.99'),
  float: fc.constantFrom(0, 0.1, -1.5, 1e20),
  bool: fc.boolean(),
  date: fc.constantFrom('2000-01-01', '1999-12-31', '2026-02-28'),
  timestamptz: fc.constantFrom('2024-01-01T00:00:00Z', '2024-06-01T12:00:00.123456+02:00'),
};

const COMPARISONS = ['_eq', '_neq', '_gt', '_lt', '_gte', '_lte'];

function compare(column: string, kind: Kind): fc.Arbitrary<Condition> {
  const value = VALUES[kind];
  const one = (operator: string, of: fc.Arbitrary<unknown>): fc.Arbitrary<Condition> =>
    of.map((v) => ({ kind: 'compare', column, operator, value: v }));
  const options = [
    ...COMPARISONS.map((operator) => one(operator, value)),
    one('_in', fc.array(value, { maxLength: 3 })),
    one('_nin', fc.array(value, { maxLength: 3 })),
    one('_is_null', fc.boolean()),
  ];
  if (kind === 'text')
    options.push(
      one('_like', fc.constantFrom('a%', '%b', '_', '%')),
      one('_nilike', fc.constantFrom('A%', '%X%')),
    );
  return fc.oneof(...options);
}

function condition(table: TableName, depth: number): fc.Arbitrary<Condition> {
  const model = MODEL[table];
  const compares = Object.entries(model.columns).map(([column, kind]) => compare(column, kind));
  if (depth === 0) return fc.oneof(...compares);
  const inner = condition(table, depth - 1);
  const related = Object.entries(model.relationships).map(([relationship, to]) =>
    fc.option(condition(to.to, depth - 1)).map((of): Condition => ({ kind: 'related', relationship, of })),
  );
  return fc.oneof(
    ...compares,
    fc.array(inner, { maxLength: 3 }).map((of): Condition => ({ kind: 'and', of })),
    fc.array(inner, { maxLength: 3 }).map((of): Condition => ({ kind: 'or', of })),
    inner.map((of): Condition => ({ kind: 'not', of })),
    ...related.flatMap((one) => [one, one]),
  );
}

function orderings(table: TableName): fc.Arbitrary<readonly Ordering[]> {
  const model = MODEL[table];
  const direction = fc.constantFrom(...DIRECTIONS);
  const own = fc.record({
    path: fc.constant([]),
    column: fc.constantFrom(...Object.keys(model.columns)),
    direction,
  });
  const paths = Object.entries(model.relationships)
    .filter(([, to]) => to.kind === 'object')
    .map(([name, to]) =>
      fc.record({
        path: fc.constant([name]),
        column: fc.constantFrom(...Object.keys(MODEL[to.to].columns)),
        direction,
      }),
    );
  const last = keyOf(table).map((column): Ordering => ({ path: [], column, direction: 'asc' }));
  return fc.array(fc.oneof(own, ...paths), { maxLength: 2 }).map((first) => [...first, ...last]);
}

function selectionOf(table: TableName, depth: number): fc.Arbitrary<Selection> {
  const model = MODEL[table];
  const related: Record<string, fc.Arbitrary<Selection | null>> = {};
  if (depth > 0) {
    for (const [name, to] of Object.entries(model.relationships)) {
      related[name] = fc.option(selectionOf(to.to, depth - 1), { freq: 2 });
    }
  }
  return fc.record({
    table: fc.constant(table),
    columns: fc.subarray(Object.keys(model.columns), { minLength: 1 }),
    related: fc.record(related).map(withoutNulls),
    where: fc.option(condition(table, depth), { freq: 2 }),
    orderBy: orderings(table),
    limit: fc.option(fc.integer({ min: 0, max: 5 })),
    offset: fc.option(fc.integer({ min: 0, max: 3 })),
  });
}

function withoutNulls(related: Record<string, Selection | null>): Record<string, Selection> {
  const kept: Record<string, Selection> = {};
  for (const [name, selection] of Object.entries(related)) if (selection !== null) kept[name] = selection;
  return kept;
}

/** Any query over any table of the model, two relationships deep. */
export const selection: fc.Arbitrary<Selection> = fc
  .constantFrom(...TABLES)
  .chain((table) => selectionOf(table, 2));
