import { z } from 'zod';

/** A URL that can be fetched: where credentials are in it the runtime refuses each request, with the whole URL in its error. */
export const httpUrl: z.ZodType<string, string> = z
  .string()
  .refine(isFetchable, 'expected an http or https URL, without a user name or password');

function isFetchable(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}
