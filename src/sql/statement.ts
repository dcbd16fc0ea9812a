import type { TextValues } from '../core/postgres/text-values.ts';
/** SQL text with `$1…` parameters; equal texts are equal statements and share a prepared one. */
export interface Statement {
  readonly text: string;
  readonly parameters: readonly StatementParameter[];
}

/** A statement that answers root fields. */
export interface RootStatement extends Statement {
  /** Null where requests never share an execution. */
  readonly together: Together | null;
}

/** The same for many requests in one execution. */
export interface Together {
  /** Every `$n` is an array with a text for each request, and a row's last cell says whose it is, counted from 1. */
  readonly text: string;
  /** Less work than running a statement, for certain; else the database has to say how much it is. */
  readonly isLookUp: boolean;
}

/** What fills one `$n`. */
export type StatementParameter =
  /** A value of the request: index into `QueryPlan.params`, already in Postgres text form when bound. */
  | { readonly kind: 'plan'; readonly index: number }
  /** Fetched rows of one place of the plan (`PlanTable.id`): one array per column, in Postgres text form. */
  | { readonly kind: 'fetched'; readonly table: number; readonly column: number }
  /** Keys to fetch rows by: one array per key column, in Postgres text form. */
  | { readonly kind: 'keys'; readonly column: number }
  /** Keys of the rows that fill a gap: one array per key column, in Postgres text form. */
  | { readonly kind: 'gap'; readonly place: number; readonly column: number };

/** Values for a statement's parameters, in order: the request's own, and what `fill` gives for every other parameter. */
export function boundValues(
  { parameters }: Pick<Statement, 'parameters'>,
  values: TextValues,
  fill: (parameter: Exclude<StatementParameter, { kind: 'plan' }>) => string | null = () => null,
): TextValues {
  return parameters.map((parameter) =>
    parameter.kind === 'plan' ? (values[parameter.index] ?? null) : fill(parameter),
  );
}
