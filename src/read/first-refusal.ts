import { NearjoinError } from '../core/errors.ts';
import type { StopSignal } from '../core/stop-signal.ts';
import { operandsStatement } from '../sql/operand-checks.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import type { Databases } from './databases.ts';
import { readError, StatementOutdated } from './error-mapping.ts';

/** A request as far as its values go. */
interface Asked {
  readonly plan: CompiledPlan;
  readonly values: readonly (string | null)[];
  readonly signal: StopSignal;
}

/**
 * What is told of a request that failed: where several of its values cannot be read, of the first, whichever database
 * came upon which of them, and by which route.
 */
export async function firstRefusal(
  error: unknown,
  { plan: { plan, groups }, values, signal }: Asked,
  databases: Databases,
): Promise<unknown> {
  const [group] = groups;
  if (!isOfValue(error) || group === undefined) return error;
  const { text, parameters } = operandsStatement(plan.params);
  const bound = parameters.map((slot) => (slot.kind === 'plan' ? (values[slot.index] ?? null) : null));
  try {
    await databases.source(group.source).run(text, bound, { signal, prepared: false });
    return error;
  } catch (refusal) {
    const first = readError(refusal, group.source, 'source');
    if (!isOfValue(first)) return error;
    return error instanceof StatementOutdated ? new StatementOutdated(error.databases, first) : first;
  }
}

function isOfValue(error: unknown): error is NearjoinError {
  return error instanceof NearjoinError && (error.code === 'data-exception' || error.code === 'bad-request');
}
