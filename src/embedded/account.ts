import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { NearjoinError } from '../core/errors.ts';

/** The operating-system account a server runs as when we are root, which Postgres refuses. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const CANDIDATES = ['postgres', '_postgres', 'nobody'] as const;

/** The account to drop to, or null when this process is not root and may run Postgres itself. */
export async function serverAccount(): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null;
  for (const name of CANDIDATES) {
    const account = await lookUp(name);
    if (account !== null) return account;
  }
  throw new NearjoinError(
    'start-failed',
    `Postgres does not run as root, and none of the accounts ${CANDIDATES.join(', ')} exists to run it as`,
  );
}

async function lookUp(name: string): Promise<Account | null> {
  const run = promisify(execFile);
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return null; // `id` fails for a name that does not exist: the next candidate is asked
  }
}

/** Whether the account may read and run the file or directory, by the modes of all directories above it; null is this process itself. */
export async function canReach(path: string, account: Account | null): Promise<boolean> {
  if (account === null) return true;
  for (let at = path; ; at = dirname(at)) {
    const found = await stat(at);
    const shift = found.uid === account.uid ? 6 : found.gid === account.gid ? 3 : 0;
    const needed = at === path ? 0o5 : 0o1;
    if (((found.mode >> shift) & needed) !== needed) return false;
    if (at === dirname(at)) return true;
  }
}
