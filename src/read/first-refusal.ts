import { NearjoinError } from '../core/errors.ts';
import type { StopSignal } from '../core/waiting/stop-signal.ts';
import { hasCall } from '../plan/touches.ts';
import { operandsStatement } from '../sql/condition/operand-checks.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import type { Databases } from './databases.ts';
import { readError, StatementOutdated } from './error-mapping.ts';
import { PostgresError } from './wire/failure.ts';

/** A request as far as its values go. */
interface Asked {
  readonly plan: CompiledPlan;
  readonly values: readonly (string | null)[];
  readonly signal: StopSignal;
}

/**
 * What is told of a request that failed: where several of its values cannot be read, of the first, whichever database
 * came upon which of them, and by which route. What functions and native queries came upon by themselves is not told.
 */
export async function firstRefusal(
  error: unknown,
  { plan: { plan, groups }, values, signal }: Asked,
  databases: Databases,
): Promise<unknown> {
  const [group] = groups;
  if (!isOfValue(error) || group === undefined) return error;
  const own = plan.roots.some(hasCall) ? withoutValue(error) : error;
  const { text, parameters } = operandsStatement(plan.params);
  const bound = parameters.map((slot) => (slot.kind === 'plan' ? (values[slot.index] ?? null) : null));
  try {
    await databases.source(group.source).run(text, bound, { signal, prepared: false });
    return own;
  } catch (refusal) {
    const first = readError(refusal, group.source, 'source');
    return isOfValue(first) ? inPlaceOf(error, first) : own;
  }
}

/** Of a limit or an offset. */
const OF_REQUEST = /^2201[WX]$/;

/** The message may quote a row that the role does not see. */
function withoutValue(error: NearjoinError): NearjoinError {
  const { code, cause, internal } = error;
  const isOfRequest = cause instanceof PostgresError && OF_REQUEST.test(cause.state);
  if (code !== 'data-exception' || isOfRequest) return error;
  return inPlaceOf(error, new NearjoinError('unexpected', 'database query error', { cause, internal }));
}

function inPlaceOf(error: NearjoinError, told: NearjoinError): NearjoinError {
  return error instanceof StatementOutdated ? new StatementOutdated(error.databases, told) : told;
}

function isOfValue(error: unknown): error is NearjoinError {
  return error instanceof NearjoinError && (error.code === 'data-exception' || error.code === 'bad-request');
}
