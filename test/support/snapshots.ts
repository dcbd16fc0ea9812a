import type { Source } from '../../src/catalog/catalog.ts';
import { NO_TYPES } from '../../src/catalog/type/held-type.ts';
import type { SupervisedSnapshot } from '../../src/replicate/supervisor.ts';

/** A source of which nothing is known. */
export function bareSource(name: string, more: Partial<Source> = {}): Source {
  return {
    name,
    namespace: null,
    namespaceType: null,
    subscriptionNamespaceType: null,
    tables: new Map(),
    queries: new Map(),
    functions: new Map(),
    types: NO_TYPES,
    kafka: null,
    identity: null,
    unavailable: null,
    ...more,
  };
}

/** Tells supervisors of a catalog that a test changes. */
export class Snapshots {
  readonly #waiting = new Set<() => void>();

  /** The catalog is another now. */
  changed(): void {
    for (const wake of this.#waiting) wake();
  }

  /** The catalog of now, and again after each change. */
  async *of(now: () => SupervisedSnapshot, signal: AbortSignal): AsyncGenerator<SupervisedSnapshot> {
    while (!signal.aborted) {
      const changed = new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
        signal.addEventListener('abort', () => resolve());
      });
      yield now();
      await changed;
    }
  }
}
