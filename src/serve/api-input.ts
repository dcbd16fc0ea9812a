import type { Config } from '../config.ts';
import type { Log } from '../ops/log.ts';
import type { ProbeBoard } from '../read/probe-board.ts';
import type { Closing } from './closing.ts';
import type { Control } from './control.ts';
import type { Leaving } from './leaving.ts';

/** What the HTTP side of a process is built from. */
export interface ApiInput {
  readonly config: Config;
  readonly control: Control;
  readonly probes: ProbeBoard;
  readonly log: Log;
  readonly closing: Closing;
  readonly leaving: Leaving;
}
