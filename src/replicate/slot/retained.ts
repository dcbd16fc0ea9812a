/** The slot was holding back more of the target's log than it may. */
export class RetainedTooMuch extends Error {
  constructor(bytes: number, limit: number) {
    super(tooMuch('the slot', bytes, limit));
    this.name = 'RetainedTooMuch';
  }
}

/** Says what held back more than it may. */
export function tooMuch(what: string, bytes: number, limit: number): string {
  return `${what} held ${megabytes(bytes)} MB of the target's log, more than the ${megabytes(limit)} MB allowed`;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1_048_576);
}
