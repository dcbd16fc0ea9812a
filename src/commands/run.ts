import type { Catalog } from '../catalog/catalog.ts';
import { NearjoinError } from '../core/errors.ts';
import { MetadataError, refusalAnswer } from '../metadata/metadata-error.ts';
import type { Metadata } from '../metadata/model.ts';
import { conflictError } from '../metadata/store/failure.ts';
import { type Command, parseCommand } from './command.ts';
import { execute, isReading } from './run/execute.ts';
import type { State, Tools } from './run/state.ts';

/** What a metadata request is answered with, and who asks. */
export interface MetadataContext extends Tools {
  readonly session: { readonly isAdmin: boolean };
}

/** Status and JSON body of an answer of the metadata API. */
export interface MetadataAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** When another node saves between our load and our save, the command is carried out again, at most this often. */
const ATTEMPTS = 50;

/**
 * Answers one metadata request. Commands are reduced, tried against the databases and saved, in this order, so a refused
 * request leaves nothing behind. Only a failure that is no refusal is thrown.
 */
export async function runMetadata(body: unknown, context: MetadataContext): Promise<MetadataAnswer> {
  try {
    if (!context.session.isAdmin) throw new MetadataError('access-denied', 'restricted access : admin only');
    return { status: 200, body: await answer(body, context) };
  } catch (error) {
    if (!(error instanceof NearjoinError)) throw error;
    return refusalAnswer(error);
  }
}

/** Replaces the stored metadata by this document, unless it is the same; returns its inconsistent objects. */
export async function applyMetadata(metadata: Metadata, tools: Tools): Promise<Catalog['inconsistent']> {
  const stored = await tools.store.load();
  if (JSON.stringify(stored.metadata) !== JSON.stringify(metadata)) {
    const args = { metadata, allow_inconsistent_metadata: true };
    await answer({ type: 'replace_metadata', version: 2, args }, tools);
  }
  return (await begin(tools)).catalog.inconsistent;
}

async function answer(body: unknown, tools: Tools): Promise<unknown> {
  const command = parseCommand(body);
  const work = (): Promise<unknown> => carryOut(command, tools);
  return isReading(command) ? work() : tools.store.inTurn(work);
}

async function carryOut(command: Command, tools: Tools): Promise<unknown> {
  for (let attempt = 1; ; attempt += 1) {
    const start = await begin(tools);
    refuseOutdated(command, start.resourceVersion);
    const step = await execute(command, start, tools);
    if (!step.state.touched) return step.answer;
    try {
      await tools.store.save(step.state.metadata, start.resourceVersion);
    } catch (error) {
      const mayRetry = command.resourceVersion === null && attempt < ATTEMPTS;
      if (mayRetry && error instanceof NearjoinError && error.code === 'conflict') continue;
      throw error;
    }
    await tools.watch.follow();
    return step.answer;
  }
}

/** What is stored, and how it resolves: as in the current catalog, unless another node has just saved a newer version. */
async function begin({ store, watch }: Tools): Promise<State> {
  const { metadata, resourceVersion } = await store.load();
  const known = watch.current().catalog;
  const catalog = known.resourceVersion === resourceVersion ? known : await watch.tryResolve(metadata);
  return { metadata, catalog, resourceVersion, touched: false };
}

/** Refuses a change based on an older version; what only reads is answered from the newest. */
function refuseOutdated(command: Command, current: number): void {
  const { resourceVersion } = command;
  if (resourceVersion === null || resourceVersion === current || isReading(command)) return;
  throw conflictError(resourceVersion, current);
}
