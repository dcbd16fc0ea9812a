import type { SourceName, TableRef } from '../../core/names.ts';
import type { Table } from '../catalog.ts';

/** Finds a table as far as it is resolved by then. */
export type FindTable = (source: SourceName, table: TableRef) => Table | undefined;

interface Kept<Result> {
  readonly inputs: readonly unknown[];
  readonly reads: readonly (readonly [source: SourceName, table: TableRef, told: Table | undefined])[];
  readonly result: Result;
}

/**
 * The last result for each subject, which holds for as long as its inputs are the same and every table it asked for is the same object:
 * what a change does not touch is neither made again nor another object.
 */
export class Memo<Subject extends object, Result> {
  readonly #kept = new WeakMap<Subject, Kept<Result>>();

  take(
    subject: Subject,
    inputs: readonly unknown[],
    find: FindTable,
    make: (find: FindTable) => Result,
  ): Result {
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

/** Whether both lists hold the same things, in the same order. */
export function isSame(before: readonly unknown[], now: readonly unknown[]): boolean {
  return before.length === now.length && before.every((input, place) => input === now[place]);
}

function stillTrue(find: FindTable): (read: Kept<unknown>['reads'][number]) => boolean {
  return ([source, table, told]) => find(source, table) === told;
}
