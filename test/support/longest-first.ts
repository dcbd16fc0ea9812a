import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest, in this order; a file that is not named here takes less than ten seconds. */
const LONGEST: readonly string[] = [
  'crash/replicator',
  'integration/replicate-schema',
  'integration/replicate-waits',
  'integration/replicate-early',
  'integration/serve-command',
  'conformance/one-database',
  'conformance/dealt-out',
  'integration/serve-silence',
  'integration/replicate-faults',
  'integration/replicate-copy',
  'integration/replicate-rights',
  'integration/replicate-partitions',
  'integration/replicate-pieces',
  'e2e/demo',
  'integration/replicate-removal',
  'integration/replicate-unannounced',
  'history/history',
  'integration/replicate-batches',
  'integration/connector-stream',
  'integration/replicate-serving',
  'hasura/run',
  'integration/connector-publication',
  'integration/connector-snapshot',
  'integration/subscriptions',
  'integration/replicate-pause',
  'integration/replicate-shown',
  'integration/verify',
  'integration/replicate-put-back',
  'oracle/permissions',
  'integration/replicate-types',
  'integration/embedded',
  'integration/replicate-failover',
  'integration/catalog-watch',
  'e2e/verify',
  'integration/replicate-stop',
  'crash/leadership',
  'oracle/schema-changes',
  'integration/replicate-clock',
  'e2e/seed-flow',
  'integration/read-silence',
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
