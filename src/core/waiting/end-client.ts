import { LEAVE_MS } from './after-abort.ts';

/** As much of a database client as this is about. */
interface Client {
  end(): Promise<void>;
  readonly connection: { readonly stream: { destroy(): unknown } };
}

/** Ends a connection. One that is broken, or whose server has fallen silent and closes nothing, is cut a moment later. */
export async function endClient(client: Client): Promise<void> {
  const late = setTimeout(() => client.connection.stream.destroy(), LEAVE_MS);
  await client.end().catch(() => undefined); // it is as good as ended then
  clearTimeout(late);
}
