import type { Table } from '../../catalog/catalog.ts';
import { NearjoinError } from '../../core/errors.ts';
import { printTable } from '../../core/names.ts';
import type { Place } from '../place/places.ts';
import type { Planning } from '../planning.ts';

/** A permission rule at work: `root` is the place of the table it belongs to, which `$` refers to. */
export interface RuleContext {
  readonly planning: Planning;
  readonly place: Place;
  readonly root: Place;
  readonly depth: number;
}

/** The complaint about a rule that does not fit its table; such a table's permission should be inconsistent already. */
export function brokenRule(table: Table, why: string): NearjoinError {
  return new NearjoinError(
    'unexpected',
    `the permission rule of table "${printTable(table.ref)}" is invalid: ${why}`,
  );
}
