import type { Table } from '../../catalog/catalog.ts';
import { NearjoinError } from '../../core/errors.ts';
import { printTable } from '../../core/names.ts';
import type { Place } from '../place/places.ts';
import type { Planning } from '../planning.ts';

/** Where in a permission rule we are. `root` is the place of the rule's own table, to which `$` refers. */
export interface RuleContext {
  readonly planning: Planning;
  readonly place: Place;
  readonly root: Place;
  readonly depth: number;
}

/** A rule that does not fit its table. The catalog leaves out such permissions, so reaching this is a bug. */
export function brokenRule(table: Table, why: string): NearjoinError {
  return new NearjoinError(
    'unexpected',
    `the permission rule of table "${printTable(table.ref)}" is invalid: ${why}`,
  );
}
