import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest, in this order; a file that is not named here takes less than ten seconds. */
const LONGEST: readonly string[] = [
  'crash/replicator',
  'integration/replicate-schema',
  'conformance/dealt-out',
  'integration/replicate-early',
  'integration/replicate-pieces',
  'integration/replicate-faults',
  'conformance/one-database',
  'integration/replicate-waits',
  'e2e/demo',
  'integration/replicate-partitions',
  'integration/connector-stream',
  'integration/serve-command',
  'integration/verify',
  'history/history',
  'integration/replicate-copy',
  'integration/replicate-serving',
  'integration/replicate-batches',
  'integration/replicate-unannounced',
  'integration/embedded',
  'hasura/run',
  'integration/replicate-removal',
  'integration/connector-snapshot',
  'e2e/verify',
  'e2e/seed-flow',
  'integration/subscriptions',
  'e2e/bad-input',
  'oracle/permissions',
  'integration/replicate-types',
  'oracle/three-way',
  'integration/replicate-put-back',
  'integration/connector-publication',
  'integration/replicate-rights',
  'crash/leadership',
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
