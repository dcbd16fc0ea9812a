import type { InconsistentObject } from '../../core/inconsistent-object.ts';
import type { SourceName, TableRef } from '../../core/names.ts';
import type { Table } from '../catalog.ts';

/** Finds a table, as far as it is resolved at that point. */
export type FindTable = (source: SourceName, table: TableRef) => Table | undefined;

const findNone: FindTable = () => undefined;

interface Kept<Result> {
  readonly inputs: readonly unknown[];
  readonly reads: readonly (readonly [source: SourceName, table: TableRef, told: Table | undefined])[];
  readonly result: Result;
}

/**
 * Keeps the last result for each subject. It is reused while the inputs, and the tables that were asked for to make it, are the same
 * objects. So whatever a change does not touch is not resolved again, and stays the same object for those who depend on it.
 */
export class Memo<Subject extends object, Result> {
  readonly #kept = new WeakMap<Subject, Kept<Result>>();

  take(subject: Subject, { inputs, find = findNone }: Basis, make: (find: FindTable) => Result): Result {
    const kept = this.#kept.get(subject);
    if (kept !== undefined && isSame(kept.inputs, inputs) && kept.reads.every(stillTrue(find)))
      return kept.result;
    const reads: Kept<Result>['reads'][number][] = [];
    const result = make((source, table) => {
      const told = find(source, table);
      reads.push([source, table, told]);
      return told;
    });
    this.#kept.set(subject, { inputs, reads, result });
    return result;
  }
}

/** What a result is made from beside its subject: inputs that are compared, and the tables that it may ask for. */
export interface Basis {
  readonly inputs: readonly unknown[];
  readonly find?: FindTable;
}

/** As `Memo`, for what may not hold: a result that is kept brings the problems along that were found when it was made. */
export class CheckedMemo<Subject extends object, Result> {
  readonly #memo = new Memo<
    Subject,
    { readonly result: Result; readonly found: readonly InconsistentObject[] }
  >();

  /** Without a subject the result is made anew. */
  take(
    subject: Subject | undefined,
    { inputs, find = findNone }: Basis,
    problems: InconsistentObject[],
    make: (problems: InconsistentObject[], find: FindTable) => Result,
  ): Result {
    const checked = (ask: FindTable): { readonly result: Result; readonly found: InconsistentObject[] } => {
      const found: InconsistentObject[] = [];
      return { result: make(found, ask), found };
    };
    const { result, found } =
      subject === undefined ? checked(find) : this.#memo.take(subject, { inputs, find }, checked);
    problems.push(...found);
    return result;
  }
}

/** Whether both lists hold the same things, in the same order. */
export function isSame(before: readonly unknown[], now: readonly unknown[]): boolean {
  return before.length === now.length && before.every((input, place) => input === now[place]);
}

function stillTrue(find: FindTable): (read: Kept<unknown>['reads'][number]) => boolean {
  return ([source, table, told]) => find(source, table) === told;
}
