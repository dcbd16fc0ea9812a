// Loaded into a node before anything of its own: its feeds write large transactions before they commit as soon as nothing
// is copied, in many small batches, where usually a minute has to pass and thousands of rows to come.
import { DEFAULT_LIMITS } from '../../dist/src/replicate/feed-options.js';

Object.assign(DEFAULT_LIMITS.batch, { rows: 500 });
// One that was refused and never came, rolled back when its server ended, is waited for no longer than this.
Object.assign(DEFAULT_LIMITS.early, { settledMs: 300, openMs: 10_000 });
