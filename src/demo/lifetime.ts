import { execFile } from 'node:child_process';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../core/waiting/clock.ts';

/** Ends the demo: aborts on Ctrl-C, SIGTERM, SIGHUP, a closed output, and the death of whoever started it. */
export interface Lifetime {
  readonly signal: AbortSignal;
  /** Aborts for a reason found elsewhere. */
  end(reason: string): void;
  dispose(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const LOOK_EVERY_MS = 300;

/** Starts watching; a second signal while stopping ends the process at once (the servers' guards finish the work). */
export async function watchLifetime(): Promise<Lifetime> {
  const controller = new AbortController();
  const end = (reason: string): void => controller.abort(reason);
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted && name === 'SIGINT') process.exit(130);
    end(name);
  };
  const onClosedOutput = (): void => end('output closed');
  for (const name of SIGNALS) process.on(name, onSignal);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', onClosedOutput);
  void watchParents(controller);
  return {
    signal: controller.signal,
    end,
    dispose: () => {
      end('done');
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}

/**
 * A parent killed with SIGKILL cannot pass anything on; we see that we were handed to another parent. Under npm there
 * may be a shell between, which survives npm: then npm is watched too.
 */
async function watchParents(controller: AbortController): Promise<void> {
  const parent = process.ppid;
  const npm = await npmBehindShell(parent);
  while (!controller.signal.aborted) {
    if (process.ppid !== parent || (npm !== null && !isAlive(npm)))
      controller.abort('the starting process ended');
    await systemClock.delay(LOOK_EVERY_MS, controller.signal);
  }
}

async function npmBehindShell(parent: number): Promise<number | null> {
  if (process.env['npm_lifecycle_event'] === undefined) return null;
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'ppid=,comm=', '-p', String(parent)]);
    const [, above, command] = /^\s*(\d+)\s+(.*?)\s*$/.exec(stdout) ?? [];
    return /^-?(sh|ash|dash|bash|zsh|busybox)$/.test(basename(command ?? '')) ? Number(above) : null;
  } catch {
    return null; // no ps on this machine: the direct parent is watched all the same
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
