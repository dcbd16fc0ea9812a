import type { FeedRig } from './feed.ts';
import { TestLane } from './lane.ts';
import { toMany } from './leading-to.ts';

// Table `root` leads to tables whose column `one` is its own.

/** A lane over both databases of a feed: the tables are the target's, `root` is the source's. */
export function dealtUnderRoot({ source, target }: FeedRig, names: readonly string[]): Promise<TestLane> {
  const remote_relationships = names.map((table) => toMany(table, table, { one: 'one' }));
  const tables = names.map((table) => ({ table }));
  return TestLane.open(
    { pg1: source, pg2: target },
    { pg1: [{ table: 'root', remote_relationships }], pg2: tables },
  );
}

/** A lane over the feed's target alone, which has a `root` of its own. */
export function togetherUnderRoot({ target }: FeedRig, names: readonly string[]): Promise<TestLane> {
  const array_relationships = names.map((remote_table) => {
    const using = { manual_configuration: { remote_table, column_mapping: { one: 'one' } } };
    return { name: remote_table, using };
  });
  const tables = names.map((table) => ({ table }));
  return TestLane.open({ pg1: target }, { pg1: [{ table: 'root', array_relationships }, ...tables] });
}
