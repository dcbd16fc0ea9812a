import type { Catalog } from '../../catalog/catalog.ts';
import { limitsOf } from '../../catalog/part/api-limits.ts';
import { type JsonText, jsonText } from '../../core/json/json-text.ts';
import type { StopSignal } from '../../core/waiting/stop-signal.ts';
import type { OperationRequest, Operations, PreparedOperation } from '../../graphql/operations.ts';
import type { SchemaCache } from '../../graphql/schema-cache.ts';
import { serviceText } from '../../graphql/sdl.ts';
import { bindParams } from '../../plan/bind.ts';
import type { CompiledPlan } from '../../read/compiled-plan.ts';
import type { FreshnessRequest } from '../../read/freshness.ts';
import type { ReadRequest } from '../../read/read-request.ts';
import type { Session } from '../auth/session.ts';
import { withDirective } from './freshness-headers.ts';
import type { GraphqlRequest } from './graphql-request.ts';
import type { RequestNotes } from './request-notes.ts';

/** What holds for every operation of one HTTP request. */
export interface RunContext {
  readonly session: Session;
  /** The client's IP address. */
  readonly address: string;
  readonly freshness: FreshnessRequest;
  readonly signal: StopSignal;
  readonly notes: RequestNotes | null;
}

/** An operation that is ready to be read, once or (as a subscription) repeatedly. */
export interface PreparedRead {
  readonly isSubscription: boolean;
  /** Without the answers to introspection. */
  readonly read: ReadRequest;
  /** Answers the operation's introspection; null where it has none. */
  readonly introspect: (() => Promise<readonly JsonText[]>) | null;
  /** What it was prepared from, to prepare it again for a newer catalog. */
  readonly asked: Asked;
  readonly generation: number;
  /** The metadata's time limit for the role; null where there is none. */
  readonly limitS: number | null;
}

/** One operation as its client asked for it. */
export interface Asked {
  readonly request: GraphqlRequest;
  readonly context: Pick<RunContext, 'session' | 'freshness' | 'signal'>;
  readonly over: OperationRequest['over'];
}

/** What reads are prepared with. */
export interface ReadParts {
  readonly catalog: () => Catalog;
  readonly operations: Operations<CompiledPlan>;
  readonly schemas: SchemaCache;
}

/**
 * Prepares an operation: parses, checks and plans it for the session's role, and binds the values. Throws, in Hasura's words, what is
 * wrong with it.
 */
export function prepareRead(asked: Asked, parts: ReadParts): PreparedRead {
  const { request, context, over } = asked;
  const { query, operationName, variables } = request;
  const { role } = context.session;
  // One snapshot for the whole operation: it sees one version of the metadata.
  const catalog = parts.catalog();
  const prepared = parts.operations.prepare({ query, operationName, variables, role, catalog, over });
  const read = {
    compiled: prepared.compiled,
    values: bindParams(prepared.plan, prepared.variables, context.session.variables),
    introspection: [],
    freshness: withDirective(context.freshness, prepared.freshness),
    signal: context.signal,
  };
  const isSubscription = prepared.operation.operation === 'subscription';
  const introspect = introspectionOf(prepared, context, catalog, parts);
  const { seconds: limitS } = limitsOf(catalog.limits, role);
  return { isSubscription, read, introspect, asked, generation: catalog.generation, limitS };
}

function introspectionOf(
  prepared: PreparedOperation<CompiledPlan>,
  { session, signal }: Pick<RunContext, 'session' | 'signal'>,
  catalog: Catalog,
  { schemas }: ReadParts,
): PreparedRead['introspect'] {
  const roots = prepared.plan.roots.filter((root) => root.kind === 'introspection');
  if (roots.length === 0) return null;
  return async () => {
    const { document, operation } = prepared;
    const request = { document, operation, variables: Object.fromEntries(prepared.variables) };
    const whose = { catalog, role: session.role };
    const answers = await schemas.introspect(whose, request, signal);
    const sdl = roots.every(({ service }) => service === null) ? '' : await schemas.sdl(whose);
    return roots.map(({ key, service }) =>
      service === null ? (answers.get(key) ?? jsonText('null')) : serviceText(service, sdl),
    );
  };
}
