import type { Catalog } from '../../catalog/catalog.ts';
import { NearjoinError } from '../../core/errors.ts';
import { keptIn } from '../../core/kept-in.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import type { Metadata } from '../../metadata/model.ts';
import type { TablePlace } from '../../metadata/object/edit.ts';
import { type ObjectRef, objectName, removeObject } from '../../metadata/object/objects.ts';
import type { ArgsOf } from '../command.ts';
import { trackTable, untrackTable } from '../reduce/tables.ts';
import { dependencyText, objectsIn, type Pointer, placeKey, pointersIn } from './dependents.ts';
import {
  changed,
  newlyBroken,
  refusal,
  resolve,
  type State,
  type Step,
  SUCCESS,
  type Tools,
} from './state.ts';

/** Why one table of a list was left as it was; Hasura's shape. */
interface Warning {
  readonly code: 'track-table-failed' | 'untrack-table-failed';
  readonly message: string;
  readonly name: string;
  readonly type: 'table';
}

/** Tracks the tables that can be; those that cannot become warnings, or the refusal of all. */
export async function trackTables(
  state: State,
  args: ArgsOf<'pg_track_tables'>,
  tools: Tools,
): Promise<Step> {
  const warnings: Warning[] = [];
  const warn = (place: TablePlace, message: string): void => {
    warnings.push({ code: 'track-table-failed', message, name: nameOf(place), type: 'table' });
  };
  let metadata = state.metadata;
  let tracked: readonly TablePlace[] = [];
  for (const table of args.tables) {
    try {
      metadata = trackTable(metadata, table);
      tracked = [...tracked, table];
    } catch (error) {
      warn(table, refusedText(error));
    }
  }
  for (;;) {
    const catalog = await resolve(metadata, tools);
    const reasons = new Map(
      newlyBroken(state.catalog, catalog).map((object) => [object.name, object.reason]),
    );
    const failed = tracked.filter((place) => reasons.has(nameOf(place)));
    if (failed.length === 0) return finish({ state, warnings, metadata, catalog, args, verb: 'track' });
    for (const place of failed) warn(place, reasons.get(nameOf(place)) ?? '');
    metadata = failed.map(objectOf).reduce(removeObject, metadata);
    tracked = tracked.filter((place) => !failed.includes(place));
  }
}

/** Untracks the tables nothing else depends on; the others become warnings, or the refusal of all. */
export async function untrackTables(
  state: State,
  args: ArgsOf<'pg_untrack_tables'>,
  tools: Tools,
): Promise<Step> {
  const warnings: Warning[] = [];
  const warn = (place: TablePlace, message: string): void => {
    warnings.push({ code: 'untrack-table-failed', message, name: nameOf(place), type: 'table' });
  };
  const known = args.tables.filter((table) => {
    try {
      untrackTable(state.metadata, table);
      return true;
    } catch (error) {
      warn(table, refusedText(error));
      return false;
    }
  });
  const { going, dependents } = settle(state, known, warn);
  const metadata = [...going.map(objectOf), ...dependents].reduce(removeObject, state.metadata);
  const catalog = await resolve(metadata, tools);
  return finish({ state, warnings, metadata, catalog, args, verb: 'untrack' });
}

/** A table that stays may depend on another, which then has to stay too. */
function settle(
  state: State,
  tables: ArgsOf<'pg_untrack_tables'>['tables'],
  warn: (place: TablePlace, message: string) => void,
): { readonly going: readonly TablePlace[]; readonly dependents: readonly ObjectRef[] } {
  const going = new Set(tables.map(placeKey));
  const cascading = new Set(tables.filter(({ cascade }) => cascade).map(placeKey));
  const { staying, ofTable } = pointersBeside(going, state);
  const toTable = new Map<string, Pointer[]>();
  // The list grows meanwhile, by what leads away from each table that has to stay.
  for (const pointer of staying) {
    const key = placeKey(pointer.to);
    keptIn(toTable, key, () => []).push(pointer);
    if (cascading.has(key) || !going.delete(key)) continue;
    for (const further of ofTable.get(key) ?? []) staying.push(further);
  }
  const isGoing = (place: TablePlace): boolean => going.has(placeKey(place));
  for (const table of tables.filter((place) => !isGoing(place))) {
    const others = (toTable.get(placeKey(table)) ?? []).filter(isFromElsewhere);
    warn(table, dependencyText(objectsIn(others)));
  }
  return { going: tables.filter(isGoing), dependents: objectsIn(staying.filter(({ to }) => isGoing(to))) };
}

/** What leads to tables: of all that stays in any case, and of each table that may go. */
function pointersBeside(
  going: ReadonlySet<string>,
  state: State,
): { readonly staying: Pointer[]; readonly ofTable: ReadonlyMap<string, readonly Pointer[]> } {
  const staying: Pointer[] = [];
  const ofTable = new Map<string, Pointer[]>();
  for (const pointer of pointersIn(state)) {
    const key = pointer.from === null ? null : placeKey(pointer.from);
    if (key === null || !going.has(key)) staying.push(pointer);
    else keptIn(ofTable, key, () => []).push(pointer);
  }
  return { staying, ofTable };
}

function isFromElsewhere({ from, to }: Pointer): boolean {
  return from === null || placeKey(from) !== placeKey(to);
}

function finish(done: {
  readonly state: State;
  readonly warnings: readonly Warning[];
  readonly metadata: Metadata;
  readonly catalog: Catalog;
  readonly args: { readonly tables: readonly unknown[]; readonly allow_warnings: boolean };
  readonly verb: 'track' | 'untrack';
}): Step {
  const { state, warnings, metadata, catalog, args } = done;
  if (warnings.length > 0 && warnings.length === args.tables.length) {
    throw new MetadataError('invalid-configuration', `all tables failed to ${done.verb}`, {
      internal: warnings,
    });
  }
  if (warnings.length > 0 && !args.allow_warnings) {
    throw new MetadataError('metadata-warnings', 'failed due to metadata warnings', { internal: warnings });
  }
  const broken = newlyBroken(state.catalog, catalog);
  if (broken.length > 0) throw refusal(broken, null);
  const answer = warnings.length > 0 ? { ...SUCCESS, warnings } : SUCCESS;
  return { state: changed(state, metadata, catalog), answer };
}

function objectOf({ source, table }: TablePlace): ObjectRef {
  return { kind: 'table', source, table };
}

function nameOf(place: TablePlace): string {
  return objectName(objectOf(place));
}

function refusedText(error: unknown): string {
  if (error instanceof NearjoinError) return error.message;
  throw error;
}
