import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest, in this order; a file that is not named here takes less than ten seconds. */
const LONGEST: readonly string[] = [
  'crash/replicator',
  'integration/replicate-early',
  'e2e/demo',
  'history/history',
  'integration/replicate-schema',
  'integration/replicate-faults',
  'conformance/dealt-out',
  'conformance/one-database',
  'hasura/metadata-conformance',
  'integration/replicate-pieces',
  'integration/verify',
  'integration/replicate-serving',
  'integration/replicate-copy',
  'integration/serve-command',
  'integration/replicate-waits',
  'hasura/plan-conformance',
  'integration/replicate-partitions',
  'integration/replicate-batches',
  'integration/embedded',
  'integration/connector-stream',
  'hasura/run',
  'integration/connector-snapshot',
  'oracle/three-way',
  'integration/replicate-failover',
  'integration/subscriptions',
  'integration/replicate-removal',
  'integration/replicate-types',
  'crash/leadership',
  'integration/replicate-unannounced',
  'e2e/seed-flow',
  'oracle/permissions',
  'e2e/verify',
  'integration/replicate-source-failover',
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
