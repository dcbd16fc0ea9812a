import { connect, type Socket } from 'node:net';

/** What one round of load saw. */
export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Keeps `connections` busy with one request each for the time; a lean client over raw sockets, so that the server is measured. */
export async function load(
  port: number,
  bodies: readonly string[],
  options: { connections: number; seconds: number },
): Promise<LoadResult> {
  const latencies: number[] = [];
  const end = performance.now() + options.seconds * 1000;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: options.connections }, (_, worker) =>
      new Connection(port, bodies, worker, latencies).run(end),
    ),
  );
  const seconds = (performance.now() - started) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { requestsPerSecond: latencies.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
}

const HEAD_END = Buffer.from('\r\n\r\n');

class Connection {
  readonly #socket: Socket;
  readonly #bodies: readonly string[];
  readonly #latencies: number[];
  #next: number;
  #sentAt = 0;
  #missing = -1;
  #head: Buffer = Buffer.alloc(0);

  constructor(port: number, bodies: readonly string[], worker: number, latencies: number[]) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#bodies = bodies;
    this.#latencies = latencies;
    this.#next = worker * 7919;
  }

  run(end: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.on('error', reject);
      this.#socket.on('connect', () => this.#send());
      this.#socket.on('data', (chunk) => {
        if (!this.#received(chunk)) return;
        this.#latencies.push(performance.now() - this.#sentAt);
        if (performance.now() < end) return this.#send();
        this.#socket.destroy();
        resolve();
      });
    });
  }

  #send(): void {
    const body = this.#bodies[this.#next++ % this.#bodies.length] ?? '';
    this.#missing = -1;
    this.#head = Buffer.alloc(0);
    this.#sentAt = performance.now();
    this.#socket.write(
      `POST /v1/graphql HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }

  /** Counts bytes of one answer; true when it is whole. */
  #received(chunk: Buffer): boolean {
    if (this.#missing >= 0) {
      this.#missing -= chunk.length;
      return this.#missing === 0;
    }
    this.#head = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk]);
    const end = this.#head.indexOf(HEAD_END);
    if (end < 0) return false;
    const head = this.#head.toString('latin1', 0, end);
    if (!head.startsWith('HTTP/1.1 200')) throw new Error(head);
    const length = /content-length: (\d+)/i.exec(head)?.[1];
    if (length === undefined) throw new Error(`no content-length in ${head}`);
    this.#missing = Number(length) - (this.#head.length - end - 4);
    return this.#missing === 0;
  }
}
