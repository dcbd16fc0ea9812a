import type { Writable } from 'node:stream';

/** Where the demo talks to a person: lines that stay, and one last line that is rewritten in place. */
export class Screen {
  readonly #out: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  #current = '';

  constructor(out: Writable & { readonly isTTY?: boolean; readonly columns?: number }) {
    this.#out = out;
  }

  /** True when a line can be rewritten; else every status is a line of its own. */
  get rewrites(): boolean {
    return this.#out.isTTY === true;
  }

  /** A line that stays. */
  line(text = ''): void {
    this.#out.write(`${this.#clear()}${text}\n`);
    this.#current = '';
  }

  /** The line at the bottom; on a terminal the next one takes its place. */
  status(text: string): void {
    if (!this.rewrites) return this.line(text);
    const shown = text.slice(0, Math.max(20, (this.#out.columns ?? 80) - 1));
    this.#out.write(this.#clear() + shown);
    this.#current = shown;
  }

  /** Ends the rewritten line, if there is one, so that what others print begins on a line of its own. */
  settle(): void {
    if (this.#current !== '') this.#out.write('\n');
    this.#current = '';
  }

  #clear(): string {
    return this.#current === '' ? '' : '\r\u001b[2K';
  }
}

/** A bar such as `orders  [#####-----] 2500/5000`. */
export function progressBar(label: string, done: number, total: number): string {
  const width = 24;
  const filled = total === 0 ? width : Math.min(width, Math.floor((done / total) * width));
  return `  ${label.padEnd(8)}[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] ${done}/${total}`;
}
