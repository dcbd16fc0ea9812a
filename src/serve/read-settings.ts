import type { Config } from '../config.ts';
import { DEFAULT_READ_SETTINGS, type ReadSettings } from '../read/settings.ts';

/** The read lane's share of the configuration. */
export function readSettings(config: Config): ReadSettings {
  return {
    ...DEFAULT_READ_SETTINGS,
    maxStalenessMs: config.maxStalenessMs,
    fallback: config.fallback,
    stringifyNumbers: config.stringifyNumericTypes,
    poolSize: config.poolSize,
    livePoolSize: config.targetPoolSize,
    statementTimeoutMs: config.statementTimeoutMs,
    resultLimitBytes: config.resultLimitBytes,
    liveKeyLimit: config.liveKeyLimit,
    liveRowLimit: config.liveRowLimit,
    waitMs: config.waitTimeoutMs,
  };
}
