import type { JsonText } from '../core/json/json-text.ts';
import type { TextValues } from '../core/postgres/text-values.ts';
import type { StopSignal } from '../core/waiting/stop-signal.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import type { FreshnessRequest, TargetReport } from './freshness.ts';

/** One operation to answer. */
export interface ReadRequest {
  readonly compiled: CompiledPlan;
  /** In the order of `QueryPlan.params`. */
  readonly values: TextValues;
  /** Answers of introspection fields, by their index in the plan. */
  readonly introspection: readonly JsonText[];
  readonly freshness: FreshnessRequest;
  readonly signal: StopSignal;
}

/** The answer's bytes, as Postgres made them. */
export interface ReadAnswer {
  /** `{"data":…}`. */
  readonly body: Buffer;
  readonly targets: readonly TargetReport[];
  /** Where a stream goes on, in Postgres' text form; null when it found no rows, and for everything that is no stream. */
  readonly cursor: string | null;
}
