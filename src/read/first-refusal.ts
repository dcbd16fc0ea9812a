import { type ErrorCode, NearjoinError } from '../core/errors.ts';
import { ADMIN } from '../core/names.ts';
import { operandsStatement } from '../sql/condition/operand-checks.ts';
import { boundValues } from '../sql/statement.ts';
import type { Databases } from './databases.ts';
import { readError, StatementOutdated } from './error-mapping.ts';
import type { ReadRequest } from './read-request.ts';
import { PostgresError } from './wire/failure.ts';

/** The part of a request that its values concern. */
type Asked = Pick<ReadRequest, 'compiled' | 'values' | 'signal'>;

/**
 * The error to tell for a failed request. Where several of its values are malformed it is about the first of them, whichever
 * database or route met which one: each is read by the first database that has its type. An error about a row's own value is
 * told in full to administrators only: Postgres' message may quote a row or a cell that the role must not see.
 */
export async function firstRefusal(error: unknown, asked: Asked, databases: Databases): Promise<unknown> {
  if (!isOfValue(error)) return error;
  const { plan } = asked.compiled;
  const first = await refusalOf(asked, databases);
  if (isOfValue(first)) return inPlaceOf(error, first);
  return plan.role === ADMIN ? error : withoutQuotes(error);
}

/** What the first database says that does not take its part of the values; null when all are taken. */
async function refusalOf(
  { compiled: { plan, groups }, values, signal }: Asked,
  databases: Databases,
): Promise<unknown> {
  const names = new Set([...groups.map(({ source }) => source), ...plan.remotes.map(({ target }) => target)]);
  let unread: readonly number[] = [...plan.params.keys()];
  for (const name of names) {
    const known = names.size === 1 ? null : databases.types(name);
    const { statement, left } = operandsStatement(plan.params, unread, known);
    try {
      const bound = boundValues(statement, values);
      await databases.source(name).run(statement.text, bound, { signal, prepared: false });
    } catch (refusal) {
      return readError(refusal, name, 'source');
    }
    if (left.length === 0) return null;
    unread = left;
  }
  return null;
}

/** Postgres' function that checks limit and offset, which are the request's own values. */
const OF_REQUEST = 'recompute_limits';

/** The same error without Postgres' message. */
function withoutQuotes(error: NearjoinError): NearjoinError {
  const { code, cause, internal, message } = error;
  const isQuoted = cause instanceof PostgresError && cause.message === message;
  if (!isQuoted || cause.routine === OF_REQUEST) return error;
  return inPlaceOf(error, new NearjoinError(code, 'database query error', { cause, internal }));
}

function inPlaceOf(error: NearjoinError, told: NearjoinError): NearjoinError {
  return error instanceof StatementOutdated ? new StatementOutdated(error.databases, told) : told;
}

const OF_VALUES: ReadonlySet<ErrorCode> = new Set(['data-exception', 'bad-request', 'not-supported']);

function isOfValue(error: unknown): error is NearjoinError {
  return error instanceof NearjoinError && OF_VALUES.has(error.code);
}
