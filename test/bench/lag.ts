import type pg from 'pg';
import { type Contender, connect, type Databases } from './contenders.ts';

/** Milliseconds from the answer to a commit on the target until its row is seen in the copy. */
export interface Lag {
  readonly p50: number;
  readonly p99: number;
  readonly transactions: number;
}

/** An idle system still needs something to see: one transaction in so many milliseconds. */
const IDLE_EVERY_MS = 40;
const WRITERS = 32;
/** A follower runs for weeks: what its first moments cost is not measured, of neither. */
const WARM_UP_MS = 2_000;

/** Commits one-row transactions at the rate and watches the copy for them; both ends are timed by this process. */
export async function measureLag(
  databases: Databases,
  contender: Contender,
  { rate, seconds }: { readonly rate: number; readonly seconds: number },
): Promise<Lag> {
  const clients = await Promise.all(Array.from({ length: WRITERS }, () => connect(databases.target)));
  const watch = await connect(databases.source);
  const writers = clients.map((client, index) => new Writer(client, index + 1));
  const latencies: number[] = [];
  try {
    for (const writer of writers) await writer.begin();
    const from = performance.now() + WARM_UP_MS;
    const until = from + seconds * 1000;
    const writing = keepRate(writers, rate, until);
    let isWriting = true;
    void writing.then(() => {
      isWriting = false;
    });
    const query = {
      name: 'ticks',
      text: `select w, n from ${contender.relation('ticks')} where w > 0`,
      rowMode: 'array',
    };
    while (isWriting || writers.some((writer) => writer.isWaiting)) {
      const { rows } = await watch.query(query);
      const now = performance.now();
      for (const [w, n] of rows) writers[Number(w) - 1]?.seen(Number(n), now, now < from ? [] : latencies);
      if (now > until + 30_000) throw new Error(`${contender.name} does not catch up`);
    }
    await writing;
  } finally {
    await Promise.all([...clients, watch].map((client) => client.end()));
  }
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), transactions: latencies.length };
}

/** One connection and its own row of `ticks`. */
class Writer {
  readonly #client: pg.Client;
  readonly #w: number;
  #n = 0;
  #busy = false;
  readonly #committed: { readonly n: number; readonly atMs: number }[] = [];

  constructor(client: pg.Client, w: number) {
    this.#client = client;
    this.#w = w;
  }

  get isFree(): boolean {
    return !this.#busy;
  }

  get isWaiting(): boolean {
    return this.#busy || this.#committed.length > 0;
  }

  async begin(): Promise<void> {
    const { rows } = await this.#client.query('select n from ticks where w = $1', [this.#w]);
    this.#n = Number(rows[0]?.n);
  }

  async write(): Promise<void> {
    this.#busy = true;
    this.#n += 1;
    const n = this.#n;
    await this.#client.query({
      name: 'tick',
      text: 'update ticks set n = $2 where w = $1',
      values: [this.#w, n],
    });
    this.#committed.push({ n, atMs: performance.now() });
    this.#busy = false;
  }

  seen(n: number, nowMs: number, latencies: number[]): void {
    while (this.#committed[0] !== undefined && this.#committed[0].n <= n) {
      const { atMs } = this.#committed.shift() ?? { atMs: nowMs };
      latencies.push(Math.max(0, nowMs - atMs));
    }
  }
}

async function keepRate(writers: readonly Writer[], rate: number, untilMs: number): Promise<void> {
  const startedMs = performance.now();
  const everyMs = rate === 0 ? IDLE_EVERY_MS : 1000 / rate;
  const running = new Set<Promise<void>>();
  let sent = 0;
  for (let now = startedMs; now < untilMs; now = performance.now()) {
    const due = Math.floor((now - startedMs) / everyMs);
    while (sent < due) {
      const writer = writers[sent % writers.length]?.isFree
        ? writers[sent % writers.length]
        : writers.find((one) => one.isFree);
      if (writer === undefined) break;
      sent += 1;
      const done: Promise<void> = writer.write().finally(() => running.delete(done));
      running.add(done);
    }
    // It rests, since a core that only waits for the next moment would be taken from what is measured.
    await new Promise<void>((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(running);
}
