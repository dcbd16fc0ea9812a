import type { Budget } from './budget.ts';
import { Random } from './random.ts';

interface Stage {
  close(): Promise<void>;
}

interface Rounds<Of extends Stage> {
  readonly budget: Budget;
  /** Whether enough was seen: until then it goes on however slow the machine is. */
  readonly isEnough: () => boolean;
  /** Makes a world and opens it; null where the world has nothing to show. */
  readonly open: (random: Random) => Promise<Of | null>;
}

/** What is done with one seed. */
export interface Round<Of extends Stage> {
  readonly random: Random;
  readonly stage: Of;
  readonly hasTime: () => boolean;
  /** There is time, or not enough was seen. */
  readonly goesOn: () => boolean;
}

/** One seed after the other until the time is up and enough was seen; what fails is told with its seed. */
export async function everySeed<Of extends Stage>(
  { budget, isEnough, open }: Rounds<Of>,
  play: (round: Round<Of>) => Promise<void>,
): Promise<void> {
  const end = performance.now() + budget.timeMs;
  const hasTime = (): boolean => performance.now() < end;
  const goesOn = (): boolean => hasTime() || !isEnough();
  for (let seed = budget.firstSeed; goesOn(); seed += 1) {
    const random = new Random(seed);
    try {
      await using(await open(random), (stage) => play({ random, stage, hasTime, goesOn }));
    } catch (error) {
      throw new Error(`NEARJOIN_SEED=${seed}: ${String(error)}`, { cause: error });
    }
  }
}

async function using<Of extends Stage>(stage: Of | null, use: (stage: Of) => Promise<void>): Promise<void> {
  if (stage === null) return;
  try {
    await use(stage);
  } finally {
    await stage.close();
  }
}
