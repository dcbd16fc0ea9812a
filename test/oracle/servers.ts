import { type Nearjoin, startNearjoin } from '../support/nearjoin.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { generateWorld } from './generate-world.ts';
import { ProcessStage } from './process-stage.ts';
import type { Random } from './random.ts';
import { crosses, type World } from './world.ts';

/** Running servers: how numbers are written is a setting of the whole server, so there is one for each way that is asked for. */
export class Servers {
  readonly #env: Readonly<Record<string, string>>;
  readonly #running = new Map<boolean, { readonly meta: TestDatabase; readonly nearjoin: Nearjoin }>();

  constructor(env: Readonly<Record<string, string>> = {}) {
    this.#env = env;
  }

  /** A world behind the server for it; null where all of it is in one database. */
  async stageOf(random: Random): Promise<ProcessStage | null> {
    const world = generateWorld(random);
    return crosses(world) ? ProcessStage.open(await this.#serverFor(world), world) : null;
  }

  async #serverFor({ stringify }: World): Promise<Nearjoin> {
    const running = this.#running.get(stringify);
    if (running !== undefined) return running.nearjoin;
    const meta = await createDatabase('source', []);
    const nearjoin = await startNearjoin({
      ...this.#env,
      NEARJOIN_METADATA_DATABASE_URL: meta.url,
      NEARJOIN_WAIT_TIMEOUT_MS: '60000',
      NEARJOIN_STRINGIFY_NUMERIC_TYPES: String(stringify),
    });
    this.#running.set(stringify, { meta, nearjoin });
    return nearjoin;
  }

  async stop(): Promise<void> {
    for (const { meta, nearjoin } of this.#running.values()) {
      await nearjoin.stop();
      await meta.drop();
    }
  }
}
