/** Takes lines for whoever runs the server: fields first, then a lower-case text. */
export interface Log {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** The log for what one feed does: each line names the feed's two databases. */
export function logOfFeed(
  log: Log,
  { source, target }: { readonly source: string; readonly target: string },
): Log {
  const named = (fields: object): object => ({ source, target, ...fields });
  return {
    debug: (fields, text) => log.debug(named(fields), text),
    info: (fields, text) => log.info(named(fields), text),
    warn: (fields, text) => log.warn(named(fields), text),
    error: (fields, text) => log.error(named(fields), text),
  };
}
