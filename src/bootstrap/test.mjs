// `npm test`: installs and builds what is missing, then runs vitest; further arguments are vitest's. With `--kafka` first,
// `npm run test:kafka`, it runs only the tests that need Java and Maven.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ensureReady, ROOT } from './ensure.mjs';

ensureReady();
const [first, ...rest] = process.argv.slice(2);
const isKafka = first === '--kafka';
const args = isKafka ? ['--project', 'kafka', '--no-file-parallelism', ...rest] : process.argv.slice(2);
const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
const child = spawn(process.execPath, [vitest, 'run', ...args], {
  cwd: ROOT,
  env: isKafka ? { ...process.env, NEARJOIN_TEST_KAFKA: '1' } : process.env,
  stdio: 'inherit',
});
// Ctrl-C reaches vitest by itself; we stay until it has stopped its servers.
process.on('SIGINT', () => undefined);
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
const [code, signal] = await once(child, 'exit');
process.exit(signal === null ? code : 1);
