/** As much of a database client as this is about. */
interface LoggingIn {
  on(event: 'error', listener: () => void): unknown;
  readonly connection: {
    on(event: 'error', listener: () => void): unknown;
    readonly stream: { destroy(): unknown };
  };
}

/**
 * Has a client's socket end with a log-in that fails: where it is our side that cannot go on, as without a password, `pg` leaves it
 * open, and a server that is tried again and again runs out of connections.
 */
export function endWithLogIn({ connection }: Pick<LoggingIn, 'connection'>): void {
  connection.on('error', () => connection.stream.destroy());
}

/**
 * The same as `endWithLogIn` of every client of a class, as a pool makes them; `onMade` is told of each. A pool listens to idle
 * clients only: when one in use is lost its statement fails, and without a listener the process would end too.
 */
export function endingWithLogIn<Config, Made extends LoggingIn>(
  Client: new (config?: Config) => Made,
  onMade: (made: Made) => void = () => undefined,
): new (
  config?: Config,
) => Made {
  return new Proxy(Client, {
    construct: (Member, [config]: [Config?]) => {
      const client = new Member(config);
      endWithLogIn(client);
      client.on('error', () => undefined);
      onMade(client);
      return client;
    },
  });
}
