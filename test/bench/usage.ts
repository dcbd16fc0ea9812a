import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks of /proc are hundredths of a second on Linux, everywhere. */
const TICKS_PER_SECOND = 100;

/** CPU seconds a process has used so far; 0 when it is gone. */
export function cpuSeconds(pid: number): number {
  return ticksOf(`/proc/${pid}/stat`) / TICKS_PER_SECOND;
}

/** CPU seconds of the process' first thread: in Node the one with the event loop of the main program. */
export function mainThreadSeconds(pid: number): number {
  return ticksOf(`/proc/${pid}/task/${pid}/stat`) / TICKS_PER_SECOND;
}

/** CPU seconds of a process, its living children and those that have ended. */
export function familySeconds(pid: number): number {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => fieldsOf(`/proc/${name}/stat`))
    .filter((fields) => Number(fields[1]) === pid);
  const ended = fieldsOf(`/proc/${pid}/stat`);
  const sum = (fields: readonly string[], from: number, to: number): number =>
    fields.slice(from, to).reduce((all, each) => all + Number(each), 0);
  return children.reduce((all, fields) => all + sum(fields, 11, 13), sum(ended, 11, 15)) / TICKS_PER_SECOND;
}

/** Resident memory in MB, and the highest there was since `resetPeak`. */
export function memory(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return { now: field('VmRSS'), peak: field('VmHWM') };
}

/** CPU seconds by process id, so that two readings can be subtracted. */
export function cpuOf(pids: readonly number[]): ReadonlyMap<number, number> {
  return new Map(pids.map((pid) => [pid, cpuSeconds(pid)]));
}

function ticksOf(file: string): number {
  const fields = fieldsOf(file);
  return fields.length === 0 ? 0 : Number(fields[11]) + Number(fields[12]);
}

/** What follows the name in brackets, which may hold spaces; user and system time are the 12th and 13th of these fields. */
function fieldsOf(file: string): readonly string[] {
  try {
    const text = readFileSync(file, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return []; // it is gone
  }
}
