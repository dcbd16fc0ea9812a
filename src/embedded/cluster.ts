import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NearjoinError } from '../core/errors.ts';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import type { Guard } from './guard.ts';

/** What is needed to make or open a cluster's files. */
export interface ClusterFiles {
  readonly directory: string;
  readonly binaries: Binaries;
  readonly account: Account | null;
  readonly guard: Guard;
}

/** The data directory and the superuser's password of a cluster that is ready to be started. */
export interface Cluster {
  readonly data: string;
  readonly password: string;
}

/** Opens the cluster in the directory, or makes one there with initdb. */
export async function openCluster(files: ClusterFiles): Promise<Cluster> {
  const data = join(files.directory, 'data');
  const passwordFile = join(files.directory, 'password');
  const version = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => null);
  if (version === null) await makeCluster(files, data, passwordFile);
  else if (Number(version) !== files.binaries.version) {
    throw new NearjoinError(
      'start-failed',
      `${data} was made by Postgres ${version.trim()}, this is Postgres ${files.binaries.version}`,
    );
  }
  return { data, password: await readFile(passwordFile, 'utf8') };
}

async function makeCluster(files: ClusterFiles, data: string, passwordFile: string): Promise<void> {
  const unfinished = `${data}.new`; // renamed when complete, so that a start that died half way is not taken for one
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  await writeFile(passwordFile, randomBytes(18).toString('base64url'), { mode: 0o600 });
  if (files.account !== null) {
    for (const path of [unfinished, passwordFile]) await chown(path, files.account.uid, files.account.gid);
  }
  // A plain password, sent over loopback, keeps other local accounts out. It is random, so hashing it thousands of times at each
  // connection would add nothing but time.
  const hashedOnce = files.binaries.version >= 16 ? ['-c', 'scram_iterations=1'] : [];
  const args = ['-D', unfinished, '-U', 'postgres', '-A', 'password', `--pwfile=${passwordFile}`];
  await run(files, 'initdb', [...args, ...hashedOnce, '-E', 'UTF8', '--no-locale', '--no-sync']);
  await rename(unfinished, data);
}

async function run(files: ClusterFiles, program: string, args: readonly string[]): Promise<void> {
  const child = spawn(join(files.binaries.directory, program), args, {
    ...spawnOptions(files),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (child.pid !== undefined) files.guard.watch(child.pid);
  const output: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => output.push(text));
  const [code] = await once(child, 'close');
  if (child.pid !== undefined) files.guard.forget(child.pid);
  if (code !== 0) throw new NearjoinError('start-failed', `${program} failed: ${output.join('').trim()}`);
}

/** How every Postgres program is started: in its own session, as the account, without settings of the caller's shell. */
export function spawnOptions(files: Pick<ClusterFiles, 'account' | 'directory'>): {
  readonly cwd: string;
  readonly detached: true;
  readonly env: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
} {
  const { account, directory } = files;
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG|LD_|DYLD_|NODE_)/.test(name));
  return {
    cwd: directory,
    detached: true,
    env: { ...Object.fromEntries(kept), LC_ALL: 'C', HOME: directory },
    ...(account === null ? {} : { uid: account.uid, gid: account.gid }),
  };
}
