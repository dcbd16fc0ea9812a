import type { RootField } from '../plan.ts';

/** A `_stream` field. */
export type Stream = Extract<RootField, { kind: 'stream' }>;

/** The stream among root fields, maybe inside a namespace: a plan has one at most. */
export function streamIn(roots: readonly RootField[]): Stream | null {
  for (const root of roots) {
    const found = root.kind === 'object' ? streamIn(root.fields) : root;
    if (found?.kind === 'stream') return found;
  }
  return null;
}
