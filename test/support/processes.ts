import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';

/** Command lines of living processes that name the text; a zombie that nobody reaps does not live. */
function processesNaming(text: string): readonly string[] {
  const listed = execFileSync('ps', ['-axww', '-o', 'stat=,pid=,args='], { encoding: 'utf8' });
  return listed.split('\n').filter((line) => line.includes(text) && !/^\s*Z/.test(line));
}

/** A folder to hand to a process as its TMPDIR, to see what it leaves there. */
export interface Playground {
  readonly path: string;
  /** Files left and processes that still name the folder. */
  leftovers(): readonly string[];
  remove(): void;
}

/** Makes one that every account can reach, as /tmp itself. */
export function makePlayground(): Playground {
  const path = mkdtempSync(join(inject('scratch'), 'nearjoin-test-'));
  chmodSync(path, 0o1777);
  return {
    path,
    leftovers: () => [...readdirSync(path), ...processesNaming(path)],
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}
