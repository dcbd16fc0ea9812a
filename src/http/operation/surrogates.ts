import { NearjoinError } from '../../core/errors.ts';

/** Half of a character that takes two units of UTF-16; all other text is passed over without a closer look. */
const SURROGATE = /\\u[dD][89a-fA-F]/;
/** Both halves, one alone (it is captured), or another escape. */
const ESCAPE = /\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]|(u[dD][89a-fA-F])|.)/gs;

/**
 * Refuses a JSON text in which half of a character is escaped without the other (`"\\ud800"`): no database can hold it, and on the way
 * there it would become U+FFFD.
 */
export function refuseLoneSurrogates(json: string): void {
  if (!SURROGATE.test(json)) return;
  for (const [, half] of json.matchAll(ESCAPE)) {
    if (half !== undefined)
      throw new NearjoinError('invalid-json', 'a text holds half of a character (a lone surrogate)');
  }
}
