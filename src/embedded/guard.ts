import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A helper process that outlives its owner by a moment, to end the processes the owner has started and to remove its directory. */
export interface Guard {
  watch(pid: number): void;
  forget(pid: number): void;
  /** Ends what is still watched, removes the directory and resolves when both are done. */
  release(): Promise<void>;
}

/**
 * Reads `watch <pid>` and `forget <pid>` until the pipe closes; the kernel closes it however the owner ends. Then it sends SIGINT
 * (a fast shutdown of Postgres, which saves slots), after 10 s SIGQUIT, and after 5 s more SIGKILL. A zombie counts as ended: in a
 * container there may be nobody who reaps it.
 */
const SCRIPT = `
trap '' INT TERM HUP QUIT PIPE
pids=' '
while read -r word pid; do
  case "$word" in
    watch) pids="$pids$pid " ;;
    forget) pids="\${pids%%" $pid "*} \${pids#*" $pid "}" ;;
  esac
done
alive() {
  kill -0 "$1" 2>/dev/null || return 1
  [ -r "/proc/$1/stat" ] || return 0
  case "$(cat "/proc/$1/stat" 2>/dev/null)" in *') Z '*) return 1 ;; esac
}
some_alive() { for each in $pids; do alive "$each" && return 0; done; return 1; }
signal() { for each in $pids; do kill -s "$1" -- "-$each" 2>/dev/null; done; }
end_within() { signal "$1"; n=0; while some_alive && [ $n -lt "$2" ]; do sleep 0.05; n=$((n + 1)); done; }
if some_alive; then end_within INT 200; fi
if some_alive; then end_within QUIT 100; fi
if some_alive; then end_within KILL 20; fi
n=0
while [ -n "$1" ] && [ -e "$1" ] && [ $n -lt 100 ]; do rm -rf -- "$1" || sleep 0.05; n=$((n + 1)); done
`;

/** Starts a guard; `directory` is removed at the end, null keeps everything on disk. */
export function startGuard(directory: string | null): Guard {
  // Its own session: Ctrl-C in a terminal and a signal to the owner's group do not reach it.
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'nearjoin-guard', directory ?? ''], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
  });
  const ended = once(shell, 'exit');
  ended.catch(() => undefined); // a shell that cannot start shows in release()
  shell.stdin.on('error', () => undefined); // the same: writing to a dead shell must not throw elsewhere
  shell.unref();
  return {
    watch: (pid) => void shell.stdin.write(`watch ${pid}\n`),
    forget: (pid) => void shell.stdin.write(`forget ${pid}\n`),
    release: async () => {
      shell.ref();
      shell.stdin.end();
      await ended;
    },
  };
}
