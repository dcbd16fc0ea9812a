// `npm start`: installs and builds what is missing, then runs the demo in this very process, so that a signal
// meant for it has no other process to pass.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureReady, ROOT } from './ensure.mjs';

ensureReady();
const { runDemo } = await import(pathToFileURL(join(ROOT, 'dist', 'src', 'demo', 'run.js')).href);
process.exit(await runDemo(process.argv.slice(2)));
