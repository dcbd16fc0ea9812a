/** What a connection has to do. */
export type Effect =
  | { readonly kind: 'send'; readonly text: string }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  | { readonly kind: 'admit'; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'start'; readonly id: string; readonly payload: unknown }
  | { readonly kind: 'stop'; readonly id: string };

/** A close frame holds so many bytes of reason. */
const REASON_BYTES = 123;

/** Closes with as much of the reason as fits into a close frame. */
export function closing(code: number, reason: string): Effect {
  // A byte at least for each character: the rest is not looked at, however long it is.
  let fitting = reason.slice(0, REASON_BYTES);
  while (Buffer.byteLength(fitting) > REASON_BYTES) fitting = fitting.slice(0, -1);
  return { kind: 'close', code, reason: fitting };
}

/** Sends each of the texts. */
export function sending(texts: readonly string[]): readonly Effect[] {
  return texts.map((text) => ({ kind: 'send', text }));
}
