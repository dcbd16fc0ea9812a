/** Which metadata database an installation has. */
export interface MetadataIdentity {
  readonly id: string;
  /** The id of the one that it is a copy of, or was before it was moved; null where it is neither. */
  readonly copyOf: string | null;
}
