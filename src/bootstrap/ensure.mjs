// Plain JavaScript without dependencies: this runs before anything is installed.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's directory. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const NODE_NEEDED = 20;

/** Installs the packages when they are missing or another version is locked, then builds when a source is newer. */
export function ensureReady() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < NODE_NEEDED)
    fail(`nearjoin needs Node ${NODE_NEEDED} or newer; this is ${process.versions.node}`);
  if (!isInstalled()) install();
  if (!isBuilt()) build();
}

function isInstalled() {
  const wanted = packagesIn('package-lock.json');
  const present = packagesIn('node_modules/.package-lock.json');
  if (wanted === null) fail('package-lock.json is missing: is this a complete clone?');
  if (present === null) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    // Packages for other platforms are rightly absent; one that is there must be the locked version.
    if (present[path] === undefined) return entry.optional === true;
    return present[path].version === entry.version && existsSync(join(ROOT, path, 'package.json'));
  });
}

function packagesIn(lockFile) {
  const path = join(ROOT, lockFile);
  if (!existsSync(path)) return null;
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? null;
  } catch (error) {
    if (lockFile.startsWith('node_modules/')) return null; // an install that was interrupted: done again
    throw error;
  }
}

function install() {
  say('installing packages (npm ci) …');
  // npm's own path when npm started us; a production setting of the shell must not leave the compiler out.
  const npm = process.env.npm_execpath;
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  run(command, [...first, 'ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund'], 'npm ci');
}

const STAMP = join(ROOT, 'dist', '.built');

function isBuilt() {
  if (!existsSync(STAMP)) return false;
  const builtAt = statSync(STAMP).mtimeMs;
  const inputs = [
    'src',
    'connectors',
    'tsconfig.json',
    'tsconfig.build.json',
    'node_modules/.package-lock.json',
  ];
  return inputs.every((input) => newestIn(join(ROOT, input)) <= builtAt);
}

function newestIn(path) {
  const found = statSync(path);
  if (!found.isDirectory()) return found.mtimeMs;
  // The directory's own time too: it changes when a file is removed.
  return Math.max(found.mtimeMs, ...readdirSync(path).map((name) => newestIn(join(path, name))));
}

/** Builds, and notes when. */
export function build() {
  say('building …');
  const startedAt = new Date();
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  run(process.execPath, [tsc, '-p', join(ROOT, 'tsconfig.build.json')], 'the build');
  run(process.execPath, [join(ROOT, 'src', 'bootstrap', 'console-assets.mjs')], 'the build of the console');
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, '');
  utimesSync(STAMP, startedAt, startedAt); // a source saved during the build is newer
}

function run(command, args, what) {
  const { NODE_ENV: _, ...shell } = process.env;
  const env = { ...shell, npm_config_update_notifier: 'false' };
  // Our stdout is for the program that follows: what installing and building say goes to stderr.
  const done = spawnSync(command, args, { cwd: ROOT, env, stdio: ['ignore', 2, 2] });
  if (done.error !== undefined) fail(`${what} could not be started: ${done.error.message}`);
  if (done.signal !== null) process.kill(process.pid, done.signal);
  if (done.status !== 0) fail(`${what} failed, see above`);
}

function say(text) {
  process.stderr.write(`nearjoin: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
