import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const POM = join(import.meta.dirname, 'pom.xml');

/** The jars of broker, Connect and Debezium, as a class path; Maven fetches what it does not have yet. */
export async function classPath(within: string): Promise<string> {
  const file = join(within, 'classpath');
  await promisify(execFile)('mvn', [
    '-q',
    '-B',
    '-f',
    POM,
    'dependency:build-classpath',
    `-Dmdep.outputFile=${file}`,
  ]);
  return (await readFile(file, 'utf8')).trim();
}

/** Connect's own way to end has been seen to wait for ever. */
const PATIENCE_MS = 30_000;

/** A Java program that runs until it is stopped. */
export class Jvm {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #onExit = (): void => void this.#child.kill('SIGKILL');

  /** `log` is where its output goes. */
  constructor(options: { readonly classPath: string; readonly log: string }, args: readonly string[]) {
    const memory = ['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
    const logging = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn';
    this.#child = spawn('java', [...memory, logging, '-cp', options.classPath, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = createWriteStream(options.log, { flags: 'a' });
    this.#child.stdout?.pipe(output, { end: false });
    this.#child.stderr?.pipe(output, { end: false });
    this.#exited = once(this.#child, 'exit');
    process.on('exit', this.#onExit);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends it, at once when it is killed, and waits until it is gone; one that does not end when it is asked to is killed. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    this.#child.kill(signal);
    const impatient = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
    await this.#exited;
    clearTimeout(impatient);
    process.off('exit', this.#onExit);
  }

  /** Resolves with its exit code when it ends by itself. */
  async done(): Promise<number | null> {
    await this.#exited;
    process.off('exit', this.#onExit);
    return this.#child.exitCode;
  }
}
