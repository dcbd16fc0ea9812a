import { scrub } from '../ops/log.ts';

/** Prints what was asked for; the exit code is 0. */
export function tell(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

/** Prints why a command fails; the exit code is 1. */
export function complain(text: string): number {
  process.stderr.write(`nearjoin ${scrub(text)}\n`);
  return 1;
}

/** What a shell says of a program that a closed pipe has ended: 128 + SIGPIPE. */
const PIPE_CLOSED = 141;

/** Ends the process when what it prints cannot be written: without a word where the reader has seen enough, as `head` has. */
export function endWithOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? PIPE_CLOSED : complain(`cannot print: ${error.message}`)),
  );
  process.stderr.on('error', () => undefined);
}

const TO_TOP = '\u001b[H';
const END_LINE = '\u001b[K';
const END_SCREEN = '\u001b[J';

/**
 * The bytes that draw a text over the previous one. Lines that do not fit are left out, since the terminal would scroll. Each line is
 * cleared after it is written, not before, so that nothing flickers.
 */
export function screenOf(
  text: string,
  { rows, columns }: { readonly rows: number; readonly columns: number },
): string {
  const lines = text.split('\n');
  const bottoms: number[] = [];
  for (const line of lines)
    bottoms.push((bottoms.at(-1) ?? 0) + Math.max(1, Math.ceil(line.length / columns)));
  const room = rows - 1; // the cursor rests below
  const isFitting = (bottoms.at(-1) ?? 0) <= room;
  const count = isFitting ? lines.length : bottoms.filter((bottom) => bottom < room).length;
  const left = lines.length - count;
  const more = left === 0 ? [] : [`… and ${left} lines more, which need a taller terminal or no --watch`];
  const drawn = [...lines.slice(0, count), ...more].map((line) => line + END_LINE);
  return `${TO_TOP}${drawn.join('\n')}\n${END_SCREEN}`;
}
