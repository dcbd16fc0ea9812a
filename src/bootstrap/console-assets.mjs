// Puts the console's files beside the built server: its own as they are, and the editor's from its packages, so that
// a running server needs neither those packages nor a network.
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const FROM = join(ROOT, 'src', 'console');
const TO = join(ROOT, 'dist', 'src', 'console');

/** Where each of the editor's files is in its package. */
const VENDOR = {
  'react.js': ['react', 'umd/react.production.min.js'],
  'react-dom.js': ['react-dom', 'umd/react-dom.production.min.js'],
  'graphiql.js': ['graphiql', 'graphiql.min.js'],
  'graphiql.css': ['graphiql', 'graphiql.min.css'],
};

rmSync(TO, { recursive: true, force: true });
mkdirSync(join(TO, 'vendor'), { recursive: true });
for (const name of readdirSync(FROM)) cpSync(join(FROM, name), join(TO, name));
const require = createRequire(import.meta.url);
for (const [name, [from, path]] of Object.entries(VENDOR)) {
  cpSync(join(dirname(require.resolve(`${from}/package.json`)), path), join(TO, 'vendor', name));
}
