declare const jsonTag: unique symbol;

/** Text that Postgres or we already made as JSON; it goes to the socket untouched. */
export type JsonText = string & { readonly [jsonTag]: true };

/** Marks text known to be JSON. */
export function jsonText(text: string): JsonText {
  return text as JsonText;
}

/** The values a JSON document can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json };
