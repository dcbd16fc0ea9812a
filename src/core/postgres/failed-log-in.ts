/** As much of a database client as this is about. */
interface LoggingIn {
  readonly connection: {
    on(event: 'error', listener: () => void): unknown;
    readonly stream: { destroy(): unknown };
  };
}

/**
 * Has a client's socket end with a log-in that fails: where it is our side that cannot go on, as without a password, `pg` leaves it
 * open, and a server that is tried again and again runs out of connections.
 */
export function endWithLogIn({ connection }: LoggingIn): void {
  connection.on('error', () => connection.stream.destroy());
}
