/** As much of a database client as this is about. */
interface Cuttable {
  once(event: 'end', listener: () => void): unknown;
  readonly connection: { readonly stream: { destroy(): unknown } };
}

/** The clients that a pool has made, connected or not. */
export class MadeClients<Made extends Cuttable> {
  readonly #clients = new Set<Made>();

  add(client: Made): void {
    this.#clients.add(client);
    client.once('end', () => this.#clients.delete(client));
  }

  /** Cuts every connection, also one whose statement is never answered. */
  cut(): void {
    for (const { connection } of this.#clients) connection.stream.destroy();
  }
}
