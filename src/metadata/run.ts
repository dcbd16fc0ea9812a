import { NearjoinError } from '../core/errors.ts';
import type { CatalogPort, ResolvedView } from './catalog-port.ts';
import { type Command, parseCommand } from './command.ts';
import { MetadataError, refusalAnswer } from './metadata-error.ts';
import type { Metadata } from './model.ts';
import { execute, isReading } from './run/execute.ts';
import type { State } from './run/state.ts';
import { conflictError, type MetadataStore } from './store.ts';

/** What a metadata request is answered with. */
export interface MetadataContext {
  readonly store: MetadataStore;
  readonly catalogWatch: CatalogPort;
  readonly session: { readonly isAdmin: boolean };
}

/** Status and JSON body of an answer of the metadata API. */
export interface MetadataAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Other nodes may save between our load and our save; that many times we look again. */
const ATTEMPTS = 50;

/**
 * Answers one metadata request. Commands are reduced, tried against the databases and saved, in this order:
 * a refused request leaves nothing behind. What is not a refusal is thrown.
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

/** Makes the stored metadata this document, unless it already is; answers what of it does not hold. */
export async function applyMetadata(
  metadata: Metadata,
  context: Omit<MetadataContext, 'session'>,
): Promise<ResolvedView['inconsistent']> {
  const stored = await context.store.load();
  if (JSON.stringify(stored.metadata) !== JSON.stringify(metadata)) {
    const args = { metadata, allow_inconsistent_metadata: true };
    await answer({ type: 'replace_metadata', version: 2, args }, context);
  }
  return (await currentView(context)).inconsistent;
}

async function currentView(context: Omit<MetadataContext, 'session'>): Promise<ResolvedView> {
  const { metadata, resourceVersion } = await context.store.load();
  return viewOf(metadata, resourceVersion, context.catalogWatch);
}

async function answer(body: unknown, context: Omit<MetadataContext, 'session'>): Promise<unknown> {
  const command = parseCommand(body);
  const work = (): Promise<unknown> => carryOut(command, context);
  return isReading(command) ? work() : context.store.inTurn(work);
}

async function carryOut(command: Command, context: Omit<MetadataContext, 'session'>): Promise<unknown> {
  const { store, catalogWatch } = context;
  for (let attempt = 1; ; attempt += 1) {
    const { metadata, resourceVersion } = await store.load();
    refuseOutdated(command, resourceVersion);
    const view = await viewOf(metadata, resourceVersion, catalogWatch);
    const start: State = { metadata, view, resourceVersion, touched: false };
    const step = await execute(command, start, { store, catalog: catalogWatch });
    if (!step.state.touched) return step.answer;
    try {
      await store.save(step.state.metadata, resourceVersion);
    } catch (error) {
      const mayRetry = command.resourceVersion === null && attempt < ATTEMPTS;
      if (mayRetry && error instanceof NearjoinError && error.code === 'conflict') continue;
      throw error;
    }
    await catalogWatch.follow();
    return step.answer;
  }
}

/** Whoever only reads is answered from the newest version, whatever version he knows. */
function refuseOutdated(command: Command, current: number): void {
  const { resourceVersion } = command;
  if (resourceVersion === null || resourceVersion === current || isReading(command)) return;
  throw conflictError(resourceVersion, current);
}

/** The published catalog when it shows this very version; another node may just have saved a newer one. */
async function viewOf(metadata: Metadata, version: number, catalogWatch: CatalogPort): Promise<ResolvedView> {
  const { catalog } = catalogWatch.current();
  return catalog.resourceVersion === version ? catalog : await catalogWatch.tryResolve(metadata);
}
