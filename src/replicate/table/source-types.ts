import { extensionTypesText, knownTypes } from '../../cache/known-types.ts';
import type { Queryable } from '../../cache/queryable.ts';
import type { KnownTypes } from '../../catalog/catalog.ts';
import { FIND_OPERATORS } from '../../core/postgres/search-path.ts';

/** Which types the source has; an extension may come, go, or move to another schema while a feed runs. */
export class SourceTypes {
  /** As they were when the session was set up, or when it was last made to find their operators. */
  #found: string | null = null;

  /** Asks over the session that writes the copies, which finds the operators of what has come from then on. */
  async look(client: Queryable): Promise<KnownTypes> {
    const known = await knownTypes(client);
    const now = extensionTypesText(known);
    if (this.#found !== null && this.#found !== now) {
      await client.query('reset search_path');
      await client.query(FIND_OPERATORS);
    }
    this.#found = now;
    return known;
  }
}
