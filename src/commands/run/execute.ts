import { setImmediate } from 'node:timers/promises';
import { unreachable } from '../../core/assert.ts';
import { NearjoinError } from '../../core/errors.ts';
import { errorBody, MetadataError, relocate } from '../../metadata/metadata-error.ts';
import { documentOf } from '../../metadata/model.ts';
import { type Command, parseCommand } from '../command.ts';
import type { Databases } from '../reduce/follow.ts';
import { sourceOfQueries } from '../reduce/native-queries.ts';
import { alreadyAllowed } from '../reduce/query-collections.ts';
import { isReducible, type Reducible, reduce } from '../reduce.ts';
import { createdBy } from './created.ts';
import { goneTables, type Removal, remove } from './dependents.ts';
import { consistencyWithWarnings, dropInconsistent, reloadMetadata, replaceMetadata } from './document.ts';
import { sourceTables, suggestRelationships, tableInfo } from './source-facts.ts';
import { admit, changed, newlyBroken, resolve, type State, type Step, SUCCESS, type Tools } from './state.ts';
import { trackTables, untrackTables } from './table-lists.ts';

/** A command that looks beyond the metadata and its arguments: to the databases, the store, or commands inside it. */
type Outward = Exclude<Command, Reducible>;

const READING: ReadonlySet<Command['type']> = new Set([
  'export_metadata',
  'get_inconsistent_metadata',
  'get_catalog_state',
  'pg_get_source_tables',
  'pg_get_table_info',
  'pg_suggest_relationships',
  'pg_get_logical_model',
  'pg_get_native_query',
  'list_source_kinds',
]);

/** Whether the command changes nothing. */
export function isReading({ type }: Command): boolean {
  return READING.has(type);
}

/** Carries out one command on the state. Nothing is saved here except `set_catalog_state`, the stock tools' own notes. */
export async function execute(command: Command, state: State, tools: Tools): Promise<Step> {
  if (!isReducible(command)) return executeOutward(command, state, tools);
  const metadata = reduce(state.metadata, command, state.catalog);
  const answer = answerOf(command, metadata !== state.metadata);
  if (answer !== SUCCESS) return { state, answer };
  const removal = removalBy(command);
  const next =
    removal === null
      ? await admit(state, metadata, createdBy(command), tools)
      : await remove(state, { metadata, ...removal }, tools);
  return { state: next, answer };
}

function answerOf(command: Reducible, isChange: boolean): { readonly message: string } {
  if (command.type !== 'add_collection_to_allowlist' || isChange) return SUCCESS;
  return { message: alreadyAllowed(command.args.collection) };
}

/** What goes away by a command besides what it names; null where nothing can. */
function removalBy(command: Reducible): Omit<Removal, 'metadata'> | null {
  switch (command.type) {
    case 'pg_drop_source': {
      const { name, cascade } = command.args;
      return { gone: (source) => source === name, cascade };
    }
    case 'pg_untrack_table':
      return { gone: goneTables([command.args]), cascade: command.args.cascade };
    case 'pg_drop_relationship':
    case 'pg_drop_computed_field':
      return { gone: () => false, cascade: command.args.cascade };
    default:
      return null;
  }
}

async function executeOutward(command: Outward, state: State, tools: Tools): Promise<Step> {
  switch (command.type) {
    case 'pg_track_tables':
      return trackTables(state, command.args, tools);
    case 'pg_untrack_tables':
      return untrackTables(state, command.args, tools);
    case 'pg_get_source_tables':
      return { state, answer: await sourceTables(state, command.args, tools) };
    case 'pg_get_table_info':
      return { state, answer: await tableInfo(state, command.args, tools) };
    case 'pg_suggest_relationships':
      return { state, answer: await suggestRelationships(state, command.args, tools) };
    case 'pg_get_logical_model':
      return {
        state,
        answer: sourceOfQueries(state.metadata, command.args.source).logical_models ?? [],
      };
    case 'pg_get_native_query':
      return {
        state,
        answer: sourceOfQueries(state.metadata, command.args.source).native_queries ?? [],
      };
    case 'list_source_kinds':
      return { state, answer: SOURCE_KINDS };
    case 'replace_metadata':
      return replaceMetadata(state, command, tools);
    case 'reload_metadata':
      return reloadMetadata(state, command.args, tools);
    case 'drop_inconsistent_metadata':
      return dropInconsistent(state, tools);
    case 'get_inconsistent_metadata':
      return { state, answer: consistencyWithWarnings(state.catalog) };
    case 'export_metadata':
      return { state, answer: exported(state, command.version) };
    case 'get_catalog_state':
      return { state, answer: await tools.store.catalogState() };
    case 'set_catalog_state':
      await tools.store.setCatalogState(command.args.type, command.args.state);
      return { state, answer: SUCCESS };
    default:
      return executeMany(command, state, tools);
  }
}

/** Databases that can be registered, in Hasura's shape. */
const SOURCE_KINDS = { sources: [{ kind: 'pg', display_name: 'pg', builtin: true, available: true }] };

function exported(state: State, version: number | null): unknown {
  const document = documentOf(state.metadata);
  return version === 2 ? { resource_version: state.resourceVersion, metadata: document } : document;
}

/** Refuses a command of `concurrent_bulk` that changes something. */
function refuseChange(command: Command): void {
  if (isReading(command)) return;
  throw new MetadataError(
    'not-supported',
    `"${command.type}" cannot be part of concurrent_bulk, which only reads`,
  );
}

type Bulk = Extract<Outward, { readonly args: unknown[] }>;

async function executeMany(command: Bulk, state: State, tools: Tools): Promise<Step> {
  switch (command.type) {
    case 'bulk':
      return (await together(command.args, state, tools)) ?? inOrder(command.args, state, tools, {});
    case 'concurrent_bulk':
      return inOrder(command.args, state, tools, { check: refuseChange });
    case 'bulk_keep_going':
      return (
        (await together(command.args, state, tools)) ??
        inOrder(command.args, state, tools, { instead: errorBody })
      );
    case 'bulk_atomic':
      return atOnce(command.args, state, tools);
    default:
      return unreachable(command);
  }
}

/** Who asks what databases make of commands that are reduced together has to wait for them one by one. */
const UNRESOLVED: Databases = {
  get sources(): never {
    throw new Error('not resolved yet');
  },
};

/**
 * Reduces all commands and checks the outcome once: resolving after each of a thousand takes a hundred times as long. Null where one
 * is refused or needs the databases; it is for `inOrder` then to say which.
 */
async function together(bodies: readonly unknown[], state: State, tools: Tools): Promise<Step | null> {
  let { metadata } = state;
  const answers: unknown[] = [];
  try {
    for (const body of bodies) {
      await setImmediate();
      const command = parseCommand(body);
      if (!isReducible(command) || removalBy(command) !== null) return null;
      const next = reduce(metadata, command, UNRESOLVED);
      answers.push(answerOf(command, next !== metadata));
      metadata = next;
    }
    const isChange = metadata !== state.metadata;
    return { state: isChange ? await admit(state, metadata, null, tools) : state, answer: answers };
  } catch {
    return null;
  }
}

interface Manner {
  /** Refuses commands that may not be among them. */
  readonly check?: (command: Command) => void;
  /** The answer for a refused command. Without it the first refusal ends the whole bulk, and nothing is saved. */
  readonly instead?: (refusal: NearjoinError) => unknown;
}

async function inOrder(
  bodies: readonly unknown[],
  start: State,
  tools: Tools,
  { check, instead }: Manner,
): Promise<Step> {
  let state = start;
  const answers: unknown[] = [];
  for (const [index, body] of bodies.entries()) {
    // Commands may have nothing to wait for: everything else has its turn between them.
    await setImmediate();
    try {
      const command = parseCommand(body);
      check?.(command);
      const step = await execute(command, state, tools);
      state = step.state;
      answers.push(step.answer);
    } catch (error) {
      const located = relocate(error, `$.args[${index}]`);
      if (instead === undefined || !(located instanceof NearjoinError)) throw located;
      answers.push(instead(located));
    }
  }
  return { state, answer: answers };
}

/** Reduces all commands first, and checks the resulting metadata once, as a whole. */
async function atOnce(bodies: readonly unknown[], state: State, tools: Tools): Promise<Step> {
  let { metadata } = state;
  for (const [index, body] of bodies.entries()) {
    try {
      const command = parseCommand(body);
      if (!isReducible(command))
        throw new MetadataError('not-supported', `"${command.type}" cannot be part of bulk_atomic`);
      metadata = reduce(metadata, command, state.catalog);
    } catch (error) {
      throw relocate(error, `$.args[${index}]`);
    }
  }
  const catalog = await resolve(metadata, tools);
  const broken = newlyBroken(state.catalog, catalog);
  if (broken.length === 0) return { state: changed(state, metadata, catalog), answer: SUCCESS };
  throw new MetadataError('bad-request', 'Schema inconsistency', {
    internal: broken.map((object) => [object]),
  });
}
