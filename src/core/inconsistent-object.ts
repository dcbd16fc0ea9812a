/** Something in the metadata that does not hold; the rest works without it. Hasura's shape. */
export interface InconsistentObject {
  readonly type: string;
  readonly name: string;
  readonly reason: string;
  readonly definition: unknown;
}
