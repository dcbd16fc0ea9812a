import type { Log } from '../../src/core/log.ts';

/** A log that adds each line to these: its level, its text and its fields. */
export function logInto(lines: string[]): Log {
  const write =
    (level: string) =>
    (fields: object, text: string): void => {
      lines.push(`${level} ${text} ${JSON.stringify(fields)}`);
    };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
