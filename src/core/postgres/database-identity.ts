/** Which database answers at an address. */
export interface DatabaseIdentity {
  /** Null where our role may not ask for it. */
  readonly systemId: string | null;
  readonly database: string;
}

/** Whether they are known to be two databases. */
export function isOtherDatabase(one: DatabaseIdentity | null, other: DatabaseIdentity | null): boolean {
  if (one === null || other === null) return false;
  if (one.database !== other.database) return true;
  return one.systemId !== null && other.systemId !== null && one.systemId !== other.systemId;
}
