/** How long an oracle goes on, where it begins, and how long it makes a failing case smaller. */
export interface Budget {
  readonly timeMs: number;
  readonly firstSeed: number;
  readonly shrinkMs: number;
  /** A test that takes longer hangs. */
  readonly timeoutMs: number;
}

/** From the environment; a run that is given more time than usual begins somewhere else every time. */
export function budgetOf(usualSeconds: number): Budget {
  const {
    NEARJOIN_ORACLE_SECONDS: seconds,
    NEARJOIN_SEED: seed,
    NEARJOIN_SHRINK_SECONDS: shrink,
  } = process.env;
  const anySeed = Math.floor(Math.random() * 2 ** 31);
  const timeMs = Number(seconds ?? usualSeconds) * 1000;
  const shrinkMs = Number(shrink ?? 30) * 1000;
  const firstSeed = Number(seed ?? (seconds === undefined ? 1 : anySeed));
  return { timeMs, firstSeed, shrinkMs, timeoutMs: timeMs + shrinkMs + 240_000 };
}
