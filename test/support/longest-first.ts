import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest, in this order; a file that is not named here takes less than ten seconds. */
const LONGEST: readonly string[] = [
  'crash/replicator',
  'integration/replicate-schema',
  'integration/replicate-early',
  'integration/replicate-waits',
  'integration/serve-command',
  'conformance/dealt-out',
  'integration/replicate-rights',
  'integration/replicate-faults',
  'conformance/one-database',
  'integration/replicate-partitions',
  'integration/replicate-copy',
  'integration/connector-stream',
  'e2e/demo',
  'integration/replicate-removal',
  'integration/replicate-serving',
  'integration/replicate-pieces',
  'integration/replicate-batches',
  'integration/verify',
  'integration/connector-snapshot',
  'hasura/run',
  'integration/replicate-failover',
  'integration/replicate-pause',
  'integration/replicate-unannounced',
  'integration/embedded',
  'history/history',
  'integration/connector-publication',
  'integration/subscriptions',
  'integration/catalog-watch',
  'oracle/permissions',
  'integration/replicate-types',
  'crash/leadership',
  'integration/replicate-shown',
  'integration/replicate-put-back',
  'integration/replicate-large',
  'integration/replicate-source-failover',
  'oracle/subscriptions',
  'oracle/schema-changes',
  'integration/replicate-clock',
];

/** Begins with the longest files, so that the workers end together. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.pg.test.ts`));
      return at === -1 ? LONGEST.length : at;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
