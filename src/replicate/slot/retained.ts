/** The slot was holding back more of the target's log than it may. */
export class RetainedTooMuch extends Error {
  constructor(bytes: number, limit: number) {
    super(
      `the slot held ${megabytes(bytes)} MB of the target's log, more than the ${megabytes(limit)} MB allowed`,
    );
    this.name = 'RetainedTooMuch';
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1_048_576);
}
