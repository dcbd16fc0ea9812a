/** The named steps of applying one batch, in order; a crash between any two must lose nothing and double nothing. */
export const APPLY_STEPS = [
  'apply:begun',
  'apply:rows-written',
  'apply:chunk-written',
  'apply:watermark-written',
  'apply:committed',
  'apply:acknowledged',
] as const;

/** The named steps of applying a batch that is a transaction of one round trip. */
export const TRIP_STEPS = ['trip:sent', 'trip:answered'] as const;

/** The named steps of writing a transaction that is still in progress, in order. */
export const EARLY_STEPS = ['early:written', 'early:ending', 'early:committed'] as const;

/** The named steps of copying tables, in order. */
export const COPY_STEPS = [
  'copy:settled',
  'copy:begun',
  'copy:snapshot-taken',
  'copy:rows-copied',
  'copy:rows-kept',
  'copy:indexes-built',
  'copy:caught-up',
  'copy:merged-uncommitted',
  'copy:ready',
] as const;

/** The named steps of copying a large table, beside those of any copy. */
export const PIECE_STEPS = [
  'pieces:begun',
  'pieces:read-uncommitted',
  'pieces:read',
  'pieces:all-read',
  'pieces:deduplicated',
  'pieces:index-built',
  'pieces:drained',
] as const;

/** The named steps of asking the target for values that neither its stream nor the copy had. */
export const ASK_STEPS = ['ask:marked', 'ask:answered'] as const;

/** The named steps of building a feed anew, in order. */
export const REBUILD_STEPS = [
  'rebuild:invalidated',
  'rebuild:dropped',
  'rebuild:slot-created',
  'rebuild:started',
] as const;

/** The named steps of replacing a copy by one with more columns, before and after those of the new one's copy. */
export const REPLACE_STEPS = ['replace:noted', 'replace:dropped-uncommitted', 'replace:dropped'] as const;

/** Any of them. */
export type Step =
  | (typeof APPLY_STEPS)[number]
  | (typeof TRIP_STEPS)[number]
  | (typeof EARLY_STEPS)[number]
  | (typeof COPY_STEPS)[number]
  | (typeof PIECE_STEPS)[number]
  | (typeof ASK_STEPS)[number]
  | (typeof REBUILD_STEPS)[number]
  | (typeof REPLACE_STEPS)[number];

/**
 * Called when a step is reached; tests end the process there. Batches are then written statement by statement, so that
 * the steps between are reached, unless the hook wants them `inOneTrip`, as they are without it.
 */
export interface StepHook {
  (step: Step): Promise<void> | void;
  readonly inOneTrip?: boolean;
}
