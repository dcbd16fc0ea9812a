import { NearjoinError } from '../../core/errors.ts';
import { nextTurn } from '../../core/waiting/next-turn.ts';
import { Stop } from '../../core/waiting/stop-signal.ts';
import { Turns } from '../../core/waiting/turns.ts';
import type { OperationResult } from './graphql-reply.ts';
import type { GraphqlRequest } from './graphql-request.ts';

/** Operations of one batch that run at the same time. */
const WIDTH = 4;
/** The longest time that they may keep the process from everything else, but for a single one of them. */
const SLICE_MS = 10;

/** Runs the operations of a batch; the answers are in their order, and no longer together than the limit. */
export async function runBatch(
  requests: readonly GraphqlRequest[],
  limitBytes: number,
  run: (request: GraphqlRequest) => Promise<OperationResult>,
): Promise<readonly OperationResult[]> {
  const fitting = fittingInto(limitBytes);
  const slice = new Slice();
  // Each has its turn also when the time is up: it then fails by itself, and leaves the answers before it alone.
  const [turns, never] = [new Turns(WIDTH), new Stop()];
  const one = (request: GraphqlRequest) =>
    fitting(async () => {
      while (slice.isOver) await slice.next();
      return run(request);
    });
  return Promise.all(requests.map((request) => turns.take(() => one(request), never)));
}

/** What a batch may do before everything else has its turn. */
class Slice {
  #sinceMs = performance.now();

  /** To be asked again after every wait: another operation may have gone on in the same turn. */
  get isOver(): boolean {
    return performance.now() - this.#sinceMs >= SLICE_MS;
  }

  async next(): Promise<void> {
    const before = this.#sinceMs;
    await nextTurn();
    if (before === this.#sinceMs) this.#sinceMs = performance.now();
  }
}

/** Runs a batch's operations until their answers are longer together than the limit; the rest become errors, and are not run. */
function fittingInto(limitBytes: number): (run: () => Promise<OperationResult>) => Promise<OperationResult> {
  let bytes = 0;
  return async (run) => {
    if (bytes <= limitBytes) {
      const result = await run();
      if (result.kind === 'error') return result;
      bytes += result.body.length;
      if (bytes <= limitBytes) return result;
    }
    const message = `the answers of the batch are longer than ${limitBytes} bytes together; ask for them one by one`;
    return { kind: 'error', error: new NearjoinError('result-too-large', message) };
  };
}
