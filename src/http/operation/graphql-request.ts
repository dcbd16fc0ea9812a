import { NearjoinError } from '../../core/errors.ts';
import { isRecord } from '../../core/json/is-record.ts';
import { parseJsonExactly } from './lossless-json.ts';

/** One GraphQL request, its shape checked. */
export interface GraphqlRequest {
  readonly query: string;
  readonly operationName: string | null;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** A body of POST /v1/graphql: one request, or a batch answered as a list. */
export type GraphqlBody =
  | { readonly kind: 'single'; readonly request: GraphqlRequest }
  | { readonly kind: 'batch'; readonly requests: readonly GraphqlRequest[] };

/** Reads a request body; members Hasura does not know are ignored, wrong ones are one error for the whole body. */
export function readGraphqlBody(text: string, batchLimit: number): GraphqlBody {
  const value = parseJsonBody(text);
  if (!Array.isArray(value)) return { kind: 'single', request: requestOf(value, '$') };
  if (value.length > batchLimit) {
    throw new NearjoinError(
      'bad-request',
      `a batch may hold at most ${batchLimit} requests, this one has ${value.length}`,
    );
  }
  return { kind: 'batch', requests: value.map((item, index) => requestOf(item, `$[${index}]`)) };
}

/** Parses a JSON body; the error names the problem without quoting the body. */
export function parseJsonBody(text: string): unknown {
  try {
    return parseJsonExactly(text);
  } catch (error) {
    if (error instanceof NearjoinError) throw error;
    throw new NearjoinError('invalid-json', 'Error in $: Failed reading: not a valid json value', {
      cause: error,
    });
  }
}

/** Reads one request object. */
export function requestOf(value: unknown, path: string): GraphqlRequest {
  if (!isRecord(value))
    throw parseFailed(path, `expected an object for a GraphQL request, but found ${kindOf(value)}`);
  const { query, operationName = null, variables = null, extensions = null } = value;
  refusePersisted(extensions, query, path);
  return {
    query: queryOf(query, path),
    operationName: operationNameOf(operationName, path),
    variables: variablesOf(variables, path),
  };
}

function queryOf(value: unknown, path: string): string {
  if (typeof value === 'string') return value;
  if (value === undefined) throw parseFailed(path, 'key "query" not found');
  throw parseFailed(`${path}.query`, `expected a string, but found ${kindOf(value)}`);
}

/** Some clients send an empty name when they mean none. */
function operationNameOf(value: unknown, path: string): string | null {
  if (value === null || value === '') return null;
  if (typeof value === 'string') return value;
  throw parseFailed(`${path}.operationName`, `expected a string, but found ${kindOf(value)}`);
}

function variablesOf(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (value === null) return {};
  if (isRecord(value)) return value;
  throw parseFailed(`${path}.variables`, `expected an object, but found ${kindOf(value)}`);
}

function refusePersisted(extensions: unknown, query: unknown, path: string): void {
  if (extensions === null) return;
  if (!isRecord(extensions))
    throw parseFailed(`${path}.extensions`, `expected an object, but found ${kindOf(extensions)}`);
  if (!('persistedQuery' in extensions)) return;
  throw query === undefined
    ? noPersistedQueries()
    : new NearjoinError('not-supported', 'Automatic Persisted Queries is not enabled');
}

/** The answer to a hash in place of a query: at this very message clients send the query, and no hashes from then on. */
export function noPersistedQueries(): NearjoinError {
  return new NearjoinError('not-supported', 'PersistedQueryNotSupported');
}

function parseFailed(path: string, message: string): NearjoinError {
  return new NearjoinError('parse-failed', message, { path });
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'object':
      return 'an object';
    case 'boolean':
      return 'a boolean';
    case 'string':
      return 'a string';
    default:
      return 'a number';
  }
}
