import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

/** Needs Java and Maven, and so is left out unless it is asked for. */
const KAFKA = {
  extends: true,
  test: {
    name: 'kafka',
    include: ['test/**/*.kafka.test.ts'],
    globalSetup: ['test/support/servers.ts'],
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
} as const;

/**
 * `unit` needs nothing; `pg` boots its servers once (test/support/servers.ts) and only when one of its files
 * runs. No module keeps anything between two files, so they share a process and what they import.
 */
export default defineConfig({
  test: {
    pool: 'forks',
    // Much of a test is waiting: three leave a third of two cores idle.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000, isolate: false },
      },
      {
        extends: true,
        test: {
          name: 'pg',
          isolate: false,
          include: ['test/**/*.pg.test.ts'],
          globalSetup: ['test/support/servers.ts'],
          // A test waits for states, each with a time of its own (test/support/poll.ts): this is for what hangs without.
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
      ...(process.env['NEARJOIN_TEST_KAFKA'] === undefined ? [] : [KAFKA]),
    ],
  },
});
