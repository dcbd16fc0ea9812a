import { createHash, timingSafeEqual } from 'node:crypto';

/** A secret's digest: all digests have one length, which a comparison in constant time needs. */
export function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Compares in a time that does not depend on where the texts differ. */
export function sameSecret(given: string, expected: string): boolean {
  return timingSafeEqual(digestOf(given), digestOf(expected));
}
